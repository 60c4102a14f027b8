"""Who starts a background export is told of the job, and the descriptions say so."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from pegboard import App
from pegboard.testing import HttpClient
from pegboard_jobs._layer import ToldJob
from pegboard_web_client import typescript

pytestmark = pytest.mark.anyio


async def test_descriptions_name_the_job_that_answers_and_not_the_result(tmp_path: Path) -> None:
    app = App("Lab", project=tmp_path, plugins=["transport_http", "jobs"], mods=[])

    @app.export(mod_name="lab", api=True, background=True)
    async def measure(samples: int = 3) -> int:
        return samples

    async with app:
        client = HttpClient(app)
        description = (await client.get("/openapi.json")).json()
        answer = (await client.post("/api/lab/measure")).json()

    said = description["paths"]["/api/lab/measure"]["post"]["responses"]["200"]
    (_, around) = said["content"]["application/json"]["schema"]["allOf"]
    data = around["properties"]["result"]["properties"]["data"]
    assert data == {"$ref": "#/components/schemas/BackgroundJob"}
    assert "Promise<Result<BackgroundJob>>" in typescript(description)

    told = answer["result"]["data"]
    members = description["components"]["schemas"]["BackgroundJob"]
    assert set(told) == set(members["properties"]) == set(members["required"])
    msgspec.convert(told, ToldJob)

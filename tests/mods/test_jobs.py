"""The mod that shows jobs: who sees what, and a stream that goes on where it broke."""

from types import ModuleType
from typing import Any

import anyio
import pytest

from pegboard import App
from pegboard.testing import AppFactory, EventStreamClient, HttpClient
from pegboard_mods import jobs

pytestmark = pytest.mark.anyio
MODS: list[ModuleType] = [jobs]
PLUGINS = ["transport_http", "jobs"]


async def finished(app: App) -> dict[str, Any]:
    """Start the demonstration and wait for its end."""
    started = (await app.call("jobs.start", pause=0.0)).get()
    with anyio.fail_after(20):
        while (told := (await app.call("jobs.show", job=started["uuid"])).get()) is not None:
            if told["jobs"][0]["status_name"] == "FINISHED":
                return told
            await app.jobs.ledger.store.watch.wait(told["last"], timeout=0.5)
    return {}


async def test_a_demonstration_shows_all_there_is(pegboard_app: AppFactory) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app:
        told = await finished(app)
        assert [job["number"] for job in told["jobs"]] == ["1", "1.1", "1.2", "1.3"]
        assert [each["data"]["line"] for each in told["log"]] == [
            f"step {number} is done" for number in (1, 2, 3)
        ]
        uuid = told["jobs"][2]["uuid"]
        graph = (await app.call("jobs.provenance", job=uuid)).get()
        assert len(graph.nodes) == 6
        answer = (await app.call("jobs.list_jobs")).get()
        assert answer["counts"] == {"FINISHED": 4}
        assert "order" not in answer["jobs"][0]


async def test_who_is_not_signed_in_sees_no_job_of_others(pegboard_app: AppFactory) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app:
        told = await finished(app)
        client, uuid = HttpClient(app), told["jobs"][0]["uuid"]
        assert (await client.get("/api/jobs/list_jobs")).json()["result"]["data"]["jobs"] == []
        for path in ("show", "provenance", "dot"):
            assert (await client.get(f"/api/jobs/{path}", query={"job": uuid})).status == 403
        for path in ("cancel", "retry"):
            assert (await client.post(f"/api/jobs/{path}", json={"job": uuid})).status == 403
        assert (await client.post("/api/jobs/start", json={})).status == 403


async def test_a_stream_goes_on_after_the_last_event_that_was_seen(
    pegboard_app: AppFactory,
) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS, dev=True) as app:
        told = await finished(app)
        path = f"/sse/jobs/follow?job={told['jobs'][0]['uuid']}"
        everything = await app.jobs.events(job=told["jobs"][0]["uuid"], limit=1000)
        middle = everything[10].seq
        seen: list[int] = []
        with anyio.fail_after(10):
            async with EventStreamClient(app).connect(path, last_event_id=str(middle)) as stream:
                async for event in stream:
                    if event.id and event.event == "job":
                        seen.append(int(event.id))
                    if seen and seen[-1] == everything[-1].seq:
                        break
        assert seen == [event.seq for event in everything if event.seq > middle]

"""The pytest plugin, found by entry point: it adds the fixture `pegboard_app` and nothing else.

It is loaded in every run of pytest where Pegboard is installed, so that everything but the
fixture's definition is imported when the fixture is used.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pegboard.testing.harness import AppFactory

__all__ = ["pegboard_app"]


@pytest.fixture
def pegboard_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AppFactory:
    """Return a factory of apps that have a project folder, and an environment, of their own.

    ```python
    @pytest.mark.anyio
    async def test_hello_greets(pegboard_app):
        async with pegboard_app(mods=[hello], plugins=["transport_http"]) as app:
            response = await HttpClient(app).get("/api/hello/greet", query={"name": "Ada"})
            assert response.json()["result"]["data"] == "Hello, Ada!"
    ```
    """
    from pegboard.testing.harness import AppFactory

    for name in [name for name in os.environ if name.startswith("PEGBOARD_")]:
        monkeypatch.delenv(name)
    return AppFactory(tmp_path / "project")

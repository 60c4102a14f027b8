"""Every plugin that we ship is replaced while it serves, and nothing of its old code is left."""

import pytest

from pegboard import App
from pegboard._discovery import find_plugins
from pegboard.testing import HttpClient, retired

pytestmark = pytest.mark.anyio

ROUNDS = 3


@pytest.fixture
def anyio_backend():
    return "asyncio"  # what is held is held on any


def replaceable():
    return sorted(
        each.name
        for each in find_plugins()
        if each.manifest is not None and each.manifest.reload != "restart"
    )


async def test_shipped_plugins_leave_nothing_behind(tmp_path):
    plugins = [name for name in replaceable() if name not in {"storage_cloud", "hot_reload"}]
    async with App("shipped", project=tmp_path, plugins=plugins, mods=[]) as app:

        @app.export(mod_name="Me", api=True, level=0)
        async def who() -> str:
            return "me"

        client = HttpClient(app)
        for name in plugins:
            for _ in range(ROUNDS):
                outcomes = await app.reloader.reload(name)
                assert {each.outcome for each in outcomes} == {"reloaded"}, outcomes
                assert (await client.get("/api/Me/who")).status == 200
        await retired(app)

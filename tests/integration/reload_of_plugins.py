"""Every plugin that we ship comes and goes while it serves; nothing of its old code is left."""

import pytest

from pegboard import App
from pegboard._cli.selection import select
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


async def test_each_shipped_plugin_is_taken_away_and_comes_back_while_the_app_runs(tmp_path):
    async with App("shipped", project=tmp_path, mods=[]) as app:
        everyone = set(app.plugins.active)
        assert everyone >= set(replaceable()) - {"storage_cloud"}
        for name in sorted(everyone):
            select(tmp_path, name, is_wanted=False)
            gone = await app.reloader.sync()
            assert (name, "removed") in {(each.name, each.outcome) for each in gone}, gone
            assert name not in app.plugins.active
            select(tmp_path, name, is_wanted=True)
            back = await app.reloader.sync()
            assert {each.outcome for each in back} == {"loaded"}, back
            assert set(app.plugins.active) == everyone
        assert (await HttpClient(app).get("/health")).status == 200

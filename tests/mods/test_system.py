"""What runs here, and who is told how much of it."""

import os
from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pegboard import App, Connection, Session, hookimpl
from pegboard.testing import AppFactory, HttpClient, WebSocketClient, watched
from pegboard_mods import chat, system

pytestmark = pytest.mark.anyio
MODS: list[ModuleType] = [chat, system]
PLUGINS = ["transport_http", "transport_ws"]


OTHERS = ["chat", "clock", "files", "jobs", "repository", "user_data"]
BROKEN = """raise OSError("cannot read /secret/path")"""


class Sessions:
    """A plugin that knows who asks: the header says the level."""

    name = "sessions"

    @hookimpl
    def load_session(self, app: App, connection: Connection) -> Awaitable[Session]:
        return self._session(connection)

    async def _session(self, connection: Connection) -> Session:
        level = int(connection.headers.get("x-level") or "0")
        return Session(level=level, anonymous=not level)


async def seen(app: App, level: int = 0) -> dict[str, Any]:
    response = await HttpClient(app).get("/api/system/overview", headers={"x-level": str(level)})
    assert response.status == 200
    return response.json()["result"]["data"]


async def test_everything_that_runs_is_told(pegboard_app: AppFactory) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app:
        overview = await seen(app)
    plugins = {each["name"]: each["state"] for each in overview["plugins"]}
    assert plugins == {"transport_http": "active", "transport_ws": "active"}
    mods = {each["name"]: each["state"] for each in overview["mods"]}
    assert mods == {"chat": "active", "system": "active"}
    assert overview["app"]["name"] == "test"
    assert overview["app"]["uptime"] >= 0
    assert overview["statistics"]["calls_failed"] == 0


async def test_open_connections_are_counted(pegboard_app: AppFactory) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app:
        assert (await seen(app))["sockets"]["connections"] == 0
        async with WebSocketClient(app).connect("/ws/chat/public_room") as visitor:
            await visitor.receive_json()
            sockets = (await seen(app))["sockets"]
            assert (sockets["connections"], sockets["channels"], sockets["sent"]) == (1, 1, 1)
            overview: Any = (await app.call("system.overview")).get()
            assert overview["sockets"]["channels"] == {"chat/public_room": 1}


async def test_without_websockets_there_are_no_connections_to_count(
    pegboard_app: AppFactory,
) -> None:
    async with pegboard_app(plugins=["transport_http"], mods=[system]) as app:
        assert (await seen(app))["sockets"] is None


async def test_an_export_says_who_may_call_it_and_how(pegboard_app: AppFactory) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app:

        @app.export(mod_name="shop", api=True, level=10, api_methods=["DELETE"])
        def close() -> None:
            """Close the shop."""

        exports = {each["address"]: each for each in (await seen(app))["exports"]}
    assert exports["shop.close"] == {
        "address": "shop.close",
        "summary": "Close the shop.",
        "reachable": True,
        "methods": ["DELETE"],
        "level": 10,
        "public": False,
    }
    assert exports["system.overview"]["public"]


def with_broken_mod(project: Path, **options: Any) -> AbstractAsyncContextManager[App]:
    """An app with a mod that fails, and says a path when it does."""
    (project / "mods").mkdir()
    (project / "mods" / "broken.py").write_text(BROKEN)
    config = {"mods": {"allow": ["broken", "system"]}}
    plugins = [*PLUGINS, Sessions()]
    return watched(App("test", project=project, plugins=plugins, config=config, **options))


@pytest.mark.parametrize(("level", "is_told"), [(0, False), (5, False), (10, True)])
async def test_only_insiders_are_told_why_something_fails_and_what_is_inside(
    tmp_path: Path, level: int, is_told: bool
) -> None:
    async with with_broken_mod(tmp_path) as app:
        overview = await seen(app, level)
    mods = {each["name"]: each["state"] for each in overview["mods"]}
    assert mods == {"broken": "failed", "system": "active", **dict.fromkeys(OTHERS, "off")}
    assert ("/secret/path" in str(overview)) is is_told
    addresses = [each["address"] for each in overview["exports"]]
    assert ("system.note_start" in addresses) is is_told


async def test_in_development_everyone_is_an_insider(tmp_path: Path) -> None:
    async with with_broken_mod(tmp_path, dev=True) as app:
        assert "/secret/path" in str(await seen(app))


async def test_a_caller_in_process_is_an_insider(tmp_path: Path) -> None:
    async with with_broken_mod(tmp_path) as app:
        assert "/secret/path" in str((await app.call("system.overview")).get())


async def test_administrators_bring_changed_code_live_and_nobody_else_does(
    tmp_path: Path,
) -> None:
    mod = tmp_path / "mods" / "shop.py"
    mod.parent.mkdir()
    head = 'from pegboard import get_app\nexport = get_app("shop").tb\n'

    def save(price: str) -> None:
        mod.write_text(f"{head}@export(api=True)\ndef price() -> int: return {price}\n")

    async def reload(level: int, **query: str) -> Any:
        return await HttpClient(app).post(
            "/api/system/reload", query=query, headers={"x-level": str(level)}
        )

    save("1")
    config = {"mods": {"allow": ["shop", "system"]}}
    plugins = ["transport_http", Sessions()]
    async with watched(App("test", project=tmp_path, plugins=plugins, config=config)) as app:
        save("2")
        assert [(await reload(level)).status for level in (0, 1, 5)] == [401, 403, 403]
        assert (await app.call("shop.price")).get() == 1
        answer = await reload(10)
        assert answer.status == 200
        (outcome,) = answer.json()["result"]["data"]
        assert (outcome["name"], outcome["outcome"], outcome["process"]) == (
            *("shop", "reloaded"),
            os.getpid(),
        )
        assert (await app.call("shop.price")).get() == 2
        save("(")
        for _ in range(2):
            (outcome,) = (await reload(10, name="shop")).json()["result"]["data"]
            assert outcome["outcome"] == "rejected"
            assert "shop.py:" in outcome["reason"]
        assert (await app.call("shop.price")).get() == 2
        assert (await reload(10, name="shap")).status == 404
        assert (await HttpClient(app).get("/api/system/reload")).status == 405

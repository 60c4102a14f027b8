"""What every plugin has to do, and what this one does."""

from __future__ import annotations

from collections.abc import Awaitable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pegboard import App, Connection, Session, hookimpl
from pegboard.testing import AppFactory, HttpClient, HttpResponse, WebSocketClient, WebSocketRefused
from pegboard.testing.plugin_suite import PluginSuite
from pegboard.testing.route_suite import RouteSuite

from pegboard_maintenance import Switch
from pegboard_maintenance._command import maintenance


class TestPlugin(PluginSuite):
    plugin = "maintenance"


class TestRoutesBehindIt(RouteSuite):
    """Whatever stands behind it is served as if it were not there."""

    plugin = "transport_http"
    others = ("maintenance",)
    path = "/health"


class Sessions:
    """Believes whatever level a request names."""

    name = "sessions"

    @hookimpl
    def load_session(self, connection: Connection) -> Awaitable[Session]:
        """Return the session."""
        return self._session(int(connection.headers.get("x-level") or 0))

    async def _session(self, level: int) -> Session:
        return Session(level=level, anonymous=level == 0)


def running(apps: AppFactory, **settings: Any) -> AbstractAsyncContextManager[App]:  # noqa: ANN401 - settings
    plugins = ["maintenance", "transport_http", "transport_ws", Sessions()]
    config = {"plugins": {"maintenance": {"interval": 0, **settings}}}
    return apps(plugins=plugins, config=config)


async def ask(app: App, path: str = "/api/shop/price", level: int = 0) -> HttpResponse:
    if "shop.price" not in app.registry.table:
        app.export(mod_name="shop", api=True)(price)
    return await HttpClient(app).get(path, headers={"x-level": str(level)})


async def price() -> int:
    return 20


async def on_message(payload: object) -> object:
    return payload


def room() -> dict[str, Any]:
    return {"on_message": on_message}


def checked(app: App) -> str:
    details = [check.detail for _, found in app.hooks.all("health", app=app) for check in found]
    return str(details[0])


@pytest.mark.anyio
async def test_requests_are_refused_from_on_to_off(pegboard_app: AppFactory) -> None:
    async with running(pegboard_app) as app:
        switch = Switch(app.data)
        assert (await ask(app)).status == 200
        switch.turn_on("The database moves.")
        refused = await ask(app)
        assert refused.status == 503
        assert refused.headers.get("retry-after") == "60"
        assert refused.result().info.help_text == "The database moves."
        assert switch.turn_off()
        assert (await ask(app)).status == 200


@pytest.mark.anyio
async def test_the_settings_say_what_the_command_does_not(pegboard_app: AppFactory) -> None:
    async with running(pegboard_app, message="Not now.", retry_after=5) as app:
        Switch(app.data).turn_on()
        refused = await ask(app)
        assert refused.result().info.help_text == "Not now."
        assert refused.headers.get("retry-after") == "5"


@pytest.mark.anyio
async def test_handshakes_are_refused_as_well(pegboard_app: AppFactory) -> None:
    async with running(pegboard_app) as app:
        app.export(mod_name="shop", websocket_handler="room")(room)
        Switch(app.data).turn_on()
        client = WebSocketClient(app)
        with pytest.raises(WebSocketRefused) as refused:
            async with client.connect("/ws/shop/room"):
                pass
        assert refused.value.status == 503
        async with client.connect("/ws/shop/room", headers={"x-level": "10"}) as socket:
            await socket.send_json([1])
            assert await socket.receive_json() == [1]


@pytest.mark.anyio
async def test_an_administrator_may_use_the_system_meanwhile(pegboard_app: AppFactory) -> None:
    async with running(pegboard_app) as app:
        Switch(app.data).turn_on()
        assert (await ask(app, level=9)).status == 503
        assert (await ask(app, level=10)).status == 200


@pytest.mark.anyio
async def test_paths_that_are_allowed_are_served(pegboard_app: AppFactory) -> None:
    async with running(pegboard_app, allow=["/health", "/api/shop/"]) as app:
        Switch(app.data).turn_on()
        assert (await ask(app, "/health")).status == 200
        assert (await ask(app, "/api/shop/price")).status == 200
        assert (await ask(app, "/api/shopping/price")).status == 503


@pytest.mark.anyio
async def test_its_health_check_says_which_it_is(pegboard_app: AppFactory) -> None:
    async with running(pegboard_app) as app:
        assert checked(app) == "off"
        Switch(app.data).turn_on()
        assert checked(app).startswith("on since ")


@pytest.mark.anyio
async def test_a_file_that_was_made_by_hand_means_on(pegboard_app: AppFactory) -> None:
    async with running(pegboard_app) as app:
        app.data.mkdir(parents=True, exist_ok=True)
        (app.data / "maintenance.json").touch()
        assert (await ask(app)).status == 503


def test_the_switch_is_looked_at_once_in_an_interval(tmp_path: Path) -> None:
    switch = Switch(tmp_path, interval=3600)
    assert switch.notice() is None
    switch.turn_on()
    assert switch.notice() is None
    assert Switch(tmp_path, interval=3600).notice() is not None


def test_the_command_turns_it_on_and_off(tmp_path: Path) -> None:
    def said(*words: str) -> str:
        done = CliRunner().invoke(maintenance, [*words, "--project", str(tmp_path)])
        assert done.exit_code == 0, done.output
        return done.output

    assert said("status") == "maintenance is off\n"
    assert said("on", "--message", "Ü").startswith("maintenance is on since ")
    notice = Switch(tmp_path / ".pegboard").notice()
    assert notice is not None
    assert notice.message == "Ü"
    assert said("status").startswith("maintenance is on since ")
    assert said("off") == "maintenance is off\n"
    assert said("off") == "maintenance was off already\n"

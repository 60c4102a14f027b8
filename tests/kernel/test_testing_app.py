"""The fixture `pegboard_app`, what it watches, and the suite for plugins."""

import os
from contextlib import asynccontextmanager
from typing import Annotated

import anyio
import msgspec
import pytest

from pegboard import App, PluginManifest, hookimpl
from pegboard._cli.setting import settings_of
from pegboard._discovery import in_process_plugin
from pegboard.contracts.asgi import Route
from pegboard.errors import PluginError
from pegboard.testing import HttpClient, LeakError, watched
from pegboard.testing.plugin_suite import PluginSuite


class GreeterSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What can be set.

    Attributes:
        greeting: What is said.
        times: How often.
    """

    greeting: str = "hello"
    times: Annotated[int, msgspec.Meta(ge=1)] = 1


class Greeter:
    """A plugin that serves one word."""

    name = "greeter"
    manifest = PluginManifest(api=1, summary="Says hello.")

    @hookimpl
    def config_schema(self):
        return GreeterSettings

    @hookimpl
    def lifespan(self, app):
        return self._lifespan(app)

    @asynccontextmanager
    async def _lifespan(self, app):
        app.spawn(app.stopping.wait)
        yield

    @hookimpl
    def asgi_routes(self, app):
        async def serve(scope, receive, send):
            settings = app.settings("greeter")
            body = (settings.greeting * settings.times).encode()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": body})

        return [Route(kind="http", prefix="/", asgi=serve)]


class TestGreeter(PluginSuite):
    plugin = Greeter()


class TestTransport(PluginSuite):
    plugin = "transport_http"


HELLO = """
from pegboard import get_app

export = get_app("hello").tb

@export(mod_name="Hello", api=True)
async def greet(who: str = "world"):
    return f"hello {who}"
"""


@pytest.mark.anyio
async def test_the_app_has_a_project_of_its_own_and_the_chosen_plugins(pegboard_app):
    (pegboard_app.project / "mods" / "hello.py").write_text(HELLO)
    config = {"plugins": {"greeter": {"times": 2}}}
    async with pegboard_app(plugins=[Greeter()], config=config) as app:
        assert list(app.mods.generations) == ["hello"]
        assert (await app.call("Hello.greet", who="Ada")).get() == "hello Ada"
        assert (await HttpClient(app).get("/")).text == "hellohello"
        assert app.project == pegboard_app.project
    assert not app.is_running


@pytest.mark.anyio
async def test_the_environment_does_not_reach_the_app(monkeypatch, request):
    monkeypatch.setenv("PEGBOARD_APP__NAME", "from outside")
    pegboard_app = request.getfixturevalue("pegboard_app")
    async with pegboard_app() as app:
        assert not [each for each in settings_of(app.config) if each["origin"] != "default"]
    assert "PEGBOARD_APP__NAME" not in os.environ


@pytest.mark.anyio
async def test_a_task_that_outlives_its_app_is_a_leak():
    async with anyio.create_task_group() as tasks:
        with pytest.raises(LeakError, match="left behind"):
            async with watched(App(plugins=[], mods=[])):
                tasks.start_soon(anyio.sleep_forever, name="left behind")
        tasks.cancel_scope.cancel()


@pytest.mark.anyio
async def test_tasks_of_the_test_itself_are_no_leak():
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.sleep_forever)
        async with watched(App(plugins=[], mods=[])) as app:
            app.spawn(app.stopping.wait)
        tasks.cancel_scope.cancel()


@pytest.fixture
async def fixed_app():
    async with watched(App(plugins=[], mods=[])) as app:
        yield app


@pytest.mark.anyio
@pytest.mark.parametrize("_again", range(5))
async def test_an_app_of_a_fixture_is_stopped_by_the_runner_without_a_leak(fixed_app, _again):
    assert fixed_app.is_running


class Foreign:
    """Is for another kernel."""

    name = "foreign"
    manifest = PluginManifest(api=2)


class Misfit:
    """Takes an argument that its hook is not given."""

    @hookimpl
    def asgi_routes(self, application):
        return []


class Demanding:
    """Has a setting without a default."""

    @hookimpl
    def config_schema(self):
        class Demands(msgspec.Struct, frozen=True):
            must: int

        return Demands


class Silent:
    """Has a setting that it does not tell about."""

    @hookimpl
    def config_schema(self):
        class Settings(msgspec.Struct, frozen=True):
            told_nowhere: int = 1

        return Settings


class Clinging:
    """Leaves a service behind that it has provided past the app, which would have undone it."""

    @hookimpl
    def lifespan(self, app):
        app.offers.table[Greeter] = Greeter()


@pytest.mark.parametrize(
    ("plugin_class", "name", "complaint"),
    [
        (Foreign, "test_its_manifest_can_be_read_and_fits_this_kernel", "2 == 1"),
        (Misfit, "test_its_hooks_fit_their_declarations", "application"),
        (Foreign, "test_its_hooks_fit_their_declarations", "no hook"),
        (Demanding, "test_each_setting_has_a_default_and_a_line_of_help", "has no default"),
        (Silent, "test_each_setting_has_a_default_and_a_line_of_help", "does not tell"),
    ],
)
def test_the_suite_finds_what_is_wrong_with_a_plugin(plugin_class, name, complaint):
    class Suite(PluginSuite):
        plugin = plugin_class()

    with pytest.raises((AssertionError, PluginError), match=complaint):
        getattr(Suite(), name)(in_process_plugin(Suite.plugin))


@pytest.mark.anyio
async def test_the_suite_finds_what_a_plugin_leaves_behind(tmp_path):
    class Suite(PluginSuite):
        plugin = Clinging()

    with pytest.raises(AssertionError, match="services"):
        await Suite().test_it_activates_and_deactivates_twice_and_leaves_nothing(
            in_process_plugin(Suite.plugin), tmp_path
        )

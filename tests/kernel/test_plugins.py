"""Plugins: found without importing, ordered, contained, taken away."""

import sys
from contextlib import asynccontextmanager

import anyio
import msgspec
import pytest

from pegboard import App, PluginManifest, Result, hookimpl
from pegboard._discovery import PluginCandidate, find_plugins
from pegboard._plugins import in_order
from pegboard.contracts.asgi import Route
from pegboard.errors import ConfigError, LoadError, MissingPluginError, PluginError

EMPTY = """
from types import SimpleNamespace
plugin = SimpleNamespace()
"""
LOUD = """
raise RuntimeError("imported, although nobody wanted it")
"""


def candidate(name, **manifest):
    return PluginCandidate(name=name, manifest=PluginManifest(api=1, **manifest), target=object())


def names(candidates):
    return [each.name for each in candidates]


def test_what_is_required_comes_first_and_equals_are_by_name():
    ordered, refused = in_order(
        [
            candidate("a", requires=("store",)),
            candidate("z", provides=("store",)),
            candidate("c"),
            candidate("b", after=("c", "not there")),
        ]
    )
    assert names(ordered).index("z") < names(ordered).index("a")
    assert names(ordered).index("c") < names(ordered).index("b")
    assert not refused
    assert names(in_order([candidate("b"), candidate("a")])[0]) == ["a", "b"]


def test_a_gap_refuses_whoever_needs_it_in_turn_and_names_what_to_install():
    ordered, refused = in_order(
        [
            candidate("jobs", requires=("database",)),
            candidate("dashboard", requires=("jobs",)),
            candidate("other"),
        ]
    )
    assert names(ordered) == ["other"]
    reasons = {each.name: reason for each, reason in refused}
    assert "pip install pegboard-database" in reasons["jobs"]
    assert "it requires jobs" in reasons["dashboard"]


def test_a_circle_is_named_and_the_others_go_on():
    ordered, refused = in_order(
        [
            candidate("a", requires=("b",)),
            candidate("b", requires=("c",)),
            candidate("c", requires=("a",)),
            candidate("d"),
        ]
    )
    assert names(ordered) == ["d"]
    assert {each.name for each, _ in refused} == {"a", "b", "c"}
    assert all("circle of requirements: " in reason for _, reason in refused)
    assert refused[0][1].count(" -> ") == 3


def test_a_manifest_is_read_without_importing_the_plugin(install):
    install("loud", LOUD, manifest='api = 1\nsummary = "Makes noise."')
    (found,) = [each for each in find_plugins() if each.name == "loud"]
    assert found.manifest.summary == "Makes noise."
    assert (found.distribution, found.version) == ("pegboard-loud", "1.0")
    assert "pegboard_loud" not in sys.modules


@pytest.mark.anyio
async def test_a_denied_plugin_is_never_imported(install):
    install("loud", LOUD)
    async with App(mods=[], config={"plugins": {"deny": ["loud"]}}) as app:
        assert app.plugins.status["loud"].state == "off"
        assert "denied" in app.plugins.status["loud"].reason
    assert "pegboard_loud" not in sys.modules


@pytest.mark.anyio
async def test_only_what_is_allowed_is_imported(install):
    install("loud", LOUD)
    install("quiet", EMPTY)
    async with App(mods=[], config={"plugins": {"allow": ["quiet"]}}) as app:
        assert list(app.plugins.active) == ["quiet"]
        assert app.plugins.status["loud"].reason == "not in the allow list"
    assert "pegboard_loud" not in sys.modules


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        ("api = 99", "it is for API 99 and this kernel has API 1"),
        (None, "has no plugin.toml"),
        ("api = 'one'", "int"),
        ("api = 1\ncolour = 'red'", "colour"),
        ("api =", "plugin.toml"),
    ],
)
async def test_a_plugin_for_another_kernel_is_not_imported_and_says_why(install, manifest, reason):
    install("loud", LOUD, manifest=manifest)
    async with App(mods=[], config={"plugins": {"allow": ["loud"]}}) as app:
        assert app.plugins.status["loud"].state == "incompatible"
        assert reason in app.plugins.status["loud"].reason
    assert "pegboard_loud" not in sys.modules


@pytest.mark.anyio
async def test_a_plugin_that_cannot_be_imported_is_left_out_by_name(install, caplog):
    install("loud", LOUD)
    install("quiet", EMPTY)
    async with App(mods=[], config={"plugins": {"allow": ["loud", "quiet"]}}) as app:
        assert list(app.plugins.active) == ["quiet"]
        status = app.plugins.status["loud"]
        assert (status.state, "nobody wanted it" in status.reason) == ("failed", True)
    assert "plugin loud failed" in caplog.text


@pytest.mark.anyio
async def test_a_plugin_that_was_asked_for_by_name_and_fails_stops_the_start(install):
    install("loud", LOUD)
    app = App(plugins=["loud"], mods=[])
    with pytest.raises(PluginError, match="plugin loud failed: RuntimeError"):
        await app.__aenter__()
    assert not app.is_running


@pytest.mark.anyio
async def test_a_known_plugin_that_is_missing_names_its_pip_install(monkeypatch):
    monkeypatch.setattr("pegboard._plugins.find_plugins", list)
    with pytest.raises(MissingPluginError, match="pip install pegboard-transport-http"):
        await App(plugins=["transport_http"], mods=[]).__aenter__()


class Recording:
    def __init__(self, name, log, **manifest):
        self.name = name
        self.manifest = PluginManifest(api=1, **manifest)
        self._log = log

    @hookimpl
    def lifespan(self, app):
        return self._lifespan()

    @asynccontextmanager
    async def _lifespan(self):
        self._log.append(f"{self.name} opens")
        yield
        self._log.append(f"{self.name} closes")


@pytest.mark.anyio
async def test_lifespans_open_in_the_order_of_requirements_and_close_in_reverse(pegboard_app):
    log = []
    plugins = [
        Recording("user", log, requires=("store",)),
        Recording("disk", log, provides=("store",)),
    ]
    async with pegboard_app(plugins=plugins):
        log.append("served")
    assert log == ["disk opens", "user opens", "served", "user closes", "disk closes"]


class Slow(Recording):
    @asynccontextmanager
    async def _lifespan(self):
        self._log.append(f"{self.name} opens")
        try:
            yield
        finally:
            await anyio.lowlevel.checkpoint()
            self._log.append(f"{self.name} closes")


@pytest.mark.anyio
async def test_a_cancelled_app_closes_its_plugins_in_order_too(pegboard_app):
    log = []
    plugins = [Slow("disk", log), Slow("user", log, requires=("disk",))]
    with anyio.CancelScope() as cancelled:
        async with pegboard_app(plugins=plugins) as app:
            app.export(mod_name="M", name="leave", exit_f=True)(lambda: log.append("mod leaves"))
            cancelled.cancel()
            await anyio.sleep_forever()
    assert log == ["disk opens", "user opens", "mod leaves", "user closes", "disk closes"]


class Stuck(Recording):
    @asynccontextmanager
    async def _lifespan(self):
        yield
        try:
            await anyio.sleep_forever()
        finally:
            self._log.append("cut off")


@pytest.mark.anyio
async def test_a_plugin_that_does_not_close_is_cut_off_at_the_deadline(pegboard_app, monkeypatch):
    monkeypatch.setattr("pegboard._scope.STEP_TIMEOUT", 0.01)
    log = []
    async with pegboard_app(plugins=[Recording("disk", log), Stuck("stuck", log)]):
        pass
    assert log == ["disk opens", "cut off", "disk closes"]


class Broken:
    name = "broken"

    @hookimpl
    def pages(self, app):
        msg = "no pages today"
        raise RuntimeError(msg)


class Whole:
    name = "whole"

    @hookimpl
    def pages(self, app):
        return ["a page"]


@pytest.mark.anyio
async def test_a_hook_that_raises_is_contained_with_the_plugins_name(pegboard_app, caplog):
    async with pegboard_app(plugins=[Broken(), Whole()]) as app:
        assert app.hooks.all("pages", app=app) == [("whole", ["a page"])]
    assert "plugin broken failed in hook pages" in caplog.text


@pytest.mark.anyio
async def test_a_lifespan_that_fails_fails_its_plugin_and_what_requires_it(install):
    install(
        "shaky",
        """
        from contextlib import asynccontextmanager
        from pegboard import hookimpl

        class Shaky:
            @hookimpl
            def lifespan(self, app):
                return self.open()

            @asynccontextmanager
            async def open(self):
                raise OSError("no disk")
                yield

        plugin = Shaky()
        """,
    )
    install("upon", EMPTY, manifest='api = 1\nrequires = ["shaky"]')
    async with App(mods=[], config={"plugins": {"allow": ["shaky", "upon"]}}) as app:
        assert not app.plugins.active
        assert "no disk" in app.plugins.status["shaky"].reason
        assert "requires shaky" in app.plugins.status["upon"].reason
        assert not app.hooks.manager.get_plugins()


class FrenchSettings(msgspec.Struct, frozen=True):
    salut: str = "bonjour"


class French:
    name = "french"

    @hookimpl
    def config_schema(self):
        return FrenchSettings

    @hookimpl
    def export_options(self):
        return FrenchSettings


@pytest.mark.anyio
async def test_settings_of_a_plugin_are_read_into_its_schema(pegboard_app):
    async with pegboard_app(plugins=[French()]) as app:
        assert app.settings("french") == FrenchSettings()
    config = {"plugins": {"french": {"salut": "coucou"}}}
    async with pegboard_app(plugins=[French()], config=config) as app:
        assert app.settings("french").salut == "coucou"
        with pytest.raises(MissingPluginError, match="pip install pegboard-german"):
            app.settings("german")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("section", "complaint"),
    [
        ({"french": {"salut": 1}}, r"setting plugins\.french\.salut \(from caller\)"),
        ({"french": {"salud": "x"}}, r"unknown setting plugins\.french\.salud"),
        ({"spanish": {"hola": "x"}}, r"section plugins\.spanish .* not installed"),
    ],
)
async def test_settings_that_do_not_fit_stop_the_start_with_their_place(section, complaint):
    app = App(plugins=[French()], mods=[], config={"plugins": section})
    with pytest.raises((ConfigError, PluginError), match=complaint):
        await app.__aenter__()


@pytest.mark.anyio
async def test_keywords_of_export_are_those_that_plugins_declare(pegboard_app):
    async with pegboard_app(plugins=[French()]) as app:

        @app.export(mod_name="M", salut="allo")
        async def hello(): ...

        @app.export(mod_name="M")
        async def plain(): ...

        exports = {export.name: export for export in app.registry}
        assert exports["hello"].option(FrenchSettings).salut == "allo"
        assert exports["plain"].option(FrenchSettings).salut == "bonjour"
        with pytest.raises(LoadError, match="str"):
            app.export(mod_name="M", salut=5)(plain)
        with pytest.raises(LoadError, match=r"the keyword 'salud'.*did you mean salut\?"):
            app.export(mod_name="M", salud="x")(plain)
        with pytest.raises(LoadError, match="pip install pegboard-caching"):
            app.export(mod_name="M", memory_cache=True)(plain)
        assert sorted(app.registry.table) == ["M.hello", "M.plain"]


class Keywords:
    def __init__(self, name):
        self.name = name

    @hookimpl
    def export_options(self):
        return FrenchSettings


@pytest.mark.anyio
async def test_two_plugins_that_claim_one_keyword_are_an_error_that_names_both():
    app = App(plugins=[Keywords("one"), Keywords("two")], mods=[])
    with pytest.raises(PluginError, match="two and one both declare"):
        await app.__aenter__()


class Serves:
    def __init__(self, name, prefix="/x"):
        self.name = name
        self._prefix = prefix

    @hookimpl
    def asgi_routes(self, app):
        return [Route(kind="http", prefix=self._prefix, asgi=self._serve)]

    async def _serve(self, scope, receive, send): ...


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("plugins", "complaint"),
    [
        ([Serves("one"), Serves("two")], "one and two both serve http /x"),
        ([Serves("one", "/a/b")], "plugin one: .* single segment"),
    ],
)
async def test_routes_that_cannot_be_stop_the_start(plugins, complaint):
    app = App(plugins=plugins, mods=[])
    with pytest.raises(ConfigError, match=complaint):
        await app.__aenter__()
    assert not app.is_running


class Misfit:
    name = "misfit"

    @hookimpl
    def pages(self, application): ...


@pytest.mark.anyio
async def test_an_implementation_that_does_not_fit_names_plugin_hook_and_argument():
    with pytest.raises(PluginError, match=r"(?s)misfit.*pages.*application"):
        await App(plugins=[Misfit()], mods=[]).__aenter__()


class Maintenance:
    @hookimpl(tryfirst=True)
    def handle_request(self, app, request):
        return self._answer(request)

    async def _answer(self, request):
        return Result.ok("closed") if request.path == "/closed" else None


class Last:
    @hookimpl
    def handle_request(self, request):
        return self._answer()

    async def _answer(self):
        return Result.ok("last")


@pytest.mark.anyio
async def test_the_first_plugin_that_answers_a_request_decides(pegboard_app):
    from pegboard import RequestData

    async with pegboard_app(plugins=[Last(), Maintenance()]) as app:
        for path, answer in (("/closed", "closed"), ("/open", "last")):
            request = RequestData.from_dict({"request": {"path": path}})
            assert (await app.intercept(request)).get() == answer
    async with pegboard_app() as app:
        assert not app.request_hooks

"""Plugins are replaced while the app runs: activated beside the old, committed at once."""

import re
from textwrap import dedent

import anyio
import pytest

from pegboard import App
from pegboard._cli.selection import select
from pegboard.testing import HttpClient

pytestmark = pytest.mark.anyio

GREETER = """
from contextlib import asynccontextmanager
from typing import Protocol
import msgspec
from pegboard import hookimpl, Result
from pegboard.contracts.asgi import Route
from pegboard.contracts.call import Stage

class Options(msgspec.Struct, frozen=True, kw_only=True):
    "Keywords."
    polite: bool = False

class Layer:
    stage = Stage.LIMIT
    def __call__(self, call):
        async def layered(*args, **kwargs):
            result = await call(*args, **kwargs)
            return Result.ok(f"{WORD}, {result.get()}")
        return layered

WORD = "WORDS"

class Plugin:
    @hookimpl
    def export_options(self):
        return Options

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, app):
        log = app.state("log")
        log.lines = [*getattr(log, "lines", []), f"{WORD} in"]
        self.count = 0
        app.extend("greeting", WORD)
        yield
        log.lines.append(f"{WORD} out")

    @hookimpl
    def register_export(self, app, export):
        return Layer() if export.option(Options).polite else None

    @hookimpl
    def asgi_routes(self, app):
        async def serve(scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": WORD.encode()})
        return [Route(kind="http", prefix=f"/{WORD}", asgi=serve)]

plugin = Plugin()
"""

MOD = """
from pegboard import get_app
export = get_app("a").tb

@export(polite=True)
def f(): return "world"
"""


@pytest.fixture
def install_greeter(install, tmp_path):
    def put(word="hello", source=GREETER, **options):
        path = tmp_path / "site" / "pegboard_greeter" / "__init__.py"
        text = dedent(source).replace("WORDS", word)
        if path.exists():
            path.write_text(text)
        else:
            install("greeter", text, **options)
        return path

    return put


@pytest.fixture
def project(tmp_path):
    (tmp_path / "mods").mkdir()
    (tmp_path / "mods" / "a.py").write_text(MOD)
    return tmp_path


async def value(app, address):
    return (await app.call(address)).get()


async def nothing_left(app):
    with anyio.fail_after(5):
        assert await app.reloader.settle() == []


def running(project, *plugins):
    return App("test", project=project, plugins=["greeter", *plugins], mods=["a"])


async def test_layers_routes_options_and_attributes_are_those_of_the_new_code(
    project, install_greeter
):
    path = install_greeter()
    async with running(project) as app:
        client = HttpClient(app)
        assert await value(app, "a.f") == "hello, world"
        slot, number = app.registry.table["a.f"], app.mods.generations["a"].number
        install_greeter("goodbye")
        outcomes = await app.reloader.follow([path])
        assert [(each.name, each.outcome) for each in outcomes] == [("greeter", "reloaded")]
        assert await value(app, "a.f") == "goodbye, world"
        assert app.greeting == "goodbye"
        assert (await client.get("/goodbye")).body == b"goodbye"
        assert (await client.get("/hello")).status == 404
        assert app.registry.table["a.f"] is slot
        assert app.mods.generations["a"].number == number
        assert app.plugins.active["greeter"].generation.number == 2
        await nothing_left(app)
        assert app.state("log").lines == ["hello in", "goodbye in", "hello out"]
    assert app.state("log").lines[-1] == "goodbye out"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("WORD =", "WORD ==="), "SyntaxError"),
        (("self.count = 0", "raise OSError('no disk')"), "OSError: no disk"),
        (("polite: bool", "level: bool"), "polite"),
        (("prefix=f", "prefix='no' + f"), "is not a single segment"),
        (("def register_export(self, app, export)", "def register_export(self, nobody)"), "nobody"),
        (("plugin = Plugin()", ""), "has no 'plugin'"),
    ],
)
async def test_a_failure_leaves_the_old_plugin_and_is_shown_until_it_is_mended(
    project, install_greeter, change, reason
):
    path = install_greeter()
    async with running(project) as app:
        install_greeter(source=GREETER.replace(*change))
        (outcome,) = await app.reloader.follow([path])
        assert (outcome.name, outcome.outcome) == ("greeter", "rejected")
        assert reason in outcome.reason
        assert reason in app.plugins.status["greeter"].rejected
        assert await value(app, "a.f") == "hello, world"
        assert app.greeting == "hello"
        assert app.plugins.active["greeter"].generation.number == 1
        assert (await HttpClient(app).get("/hello")).body == b"hello"
        install_greeter("goodbye")
        await app.reloader.follow([path])
        assert await value(app, "a.f") == "goodbye, world"
        assert not app.plugins.status["greeter"].rejected


async def test_half_a_plugin_does_not_serve_and_is_read_again(project, install_greeter):
    path = install_greeter()
    async with running(project) as app:
        whole = install_greeter("goodbye").read_text()
        half = whole.partition("    @hookimpl\n    def asgi_routes")[0] + "\nplugin = Plugin()\n"
        for text in (half, half[:-10]):
            path.write_text(text)
            assert await app.reloader.follow([path], unfinished=path.__eq__) == []
            assert await value(app, "a.f") == "hello, world"
            assert not app.plugins.status["greeter"].rejected
        path.write_text(whole)
        assert [each.outcome for each in await app.reloader.follow([])] == ["reloaded"]
        assert await value(app, "a.f") == "goodbye, world"


async def test_a_call_ends_with_the_layers_that_it_began_with(project, install_greeter):
    install_greeter()
    (project / "mods" / "a.py").write_text(
        MOD.replace(
            "def f(): return",
            "async def f(app):\n    await app.state('a').go_on.wait()\n    return",
        )
        .replace("from pegboard import get_app", "from pegboard import App, get_app")
        .replace("(app)", "(app: App)")
    )
    async with running(project) as app:
        go_on = app.state("a").go_on = anyio.Event()
        answers = []
        async with anyio.create_task_group() as group:

            async def ask():
                answers.append(await value(app, "a.f"))

            group.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            install_greeter("goodbye")
            await app.reloader.reload("greeter")
            (report,) = app.reloader.retired()
            assert (report.owner, report.busy) == ("greeter", 1)
            assert app.state("log").lines == ["hello in", "goodbye in"]
            go_on.set()
        assert answers == ["hello, world"]
        await nothing_left(app)
        assert app.state("log").lines[-1] == "hello out"


async def test_who_requires_a_plugin_follows_it(project, install, install_greeter):
    install_greeter()
    install(
        "follower",
        """
        from contextlib import asynccontextmanager
        from pegboard import hookimpl

        class Plugin:
            @hookimpl
            @asynccontextmanager
            async def lifespan(self, app):
                app.extend("followed", app.greeting)
                yield

        plugin = Plugin()
        """,
        manifest="api = 1\nrequires = ['greeter']",
    )
    async with running(project, "follower") as app:
        assert app.followed == "hello"
        path = install_greeter("goodbye")
        outcomes = await app.reloader.follow([path])
        assert sorted(each.name for each in outcomes) == ["follower", "greeter"]
        assert app.followed == "goodbye"
        await nothing_left(app)


async def test_a_mod_that_imports_from_a_plugin_follows_it(project, install_greeter):
    install_greeter()
    (project / "mods" / "a.py").write_text(
        "from pegboard_greeter import WORD\n" + MOD.replace('"world"', "WORD")
    )
    async with running(project) as app:
        assert await value(app, "a.f") == "hello, hello"
        path = install_greeter("goodbye")
        outcomes = await app.reloader.follow([path])
        assert [(each.kind, each.name) for each in outcomes] == [
            ("plugin", "greeter"),
            ("mod", "a"),
        ]
        assert await value(app, "a.f") == "goodbye, goodbye"
        assert app.mods.generations["a"].number == 2
        await nothing_left(app)


async def test_a_plugin_hands_over_what_it_has(project, install_greeter):
    install_greeter()
    async with running(project) as app:
        app.plugins.active["greeter"].plugin.count = 7
        install_greeter(
            source=GREETER.replace(
                "plugin = Plugin()",
                "    @hookimpl\n    def hand_over(self, app, previous):\n"
                "        self.count = previous.count + 1\n\nplugin = Plugin()",
            )
        )
        await app.reloader.reload("greeter")
        assert app.plugins.active["greeter"].plugin.count == 8
        await nothing_left(app)


async def test_nothing_is_taken_over_when_somebody_else_refuses(project, install_greeter, caplog):
    taking = GREETER.replace(
        "plugin = Plugin()",
        "    @hookimpl\n    def hand_over(self, app, previous):\n"
        "        previous.asked = True\n        return lambda: setattr(previous, 'taken', True)\n\n"
        "plugin = Plugin()",
    )
    install_greeter(source=taking)
    async with running(project) as app:
        before = app.plugins.active["greeter"].plugin
        install_greeter(source=taking.replace("return lambda", "1 / 0\n        return lambda"))
        (outcome,) = await app.reloader.reload("greeter")
        assert (outcome.outcome, before.asked) == ("rejected", True)
        assert not hasattr(before, "taken")
        install_greeter(source=taking.replace("setattr(previous, 'taken', True)", "1 / 0"))
        outcomes = await app.reloader.reload("greeter")
        assert [each.outcome for each in outcomes] == ["reloaded"]
        assert "could not take over" in caplog.text


async def test_a_plugin_that_needs_a_restart_is_left_and_that_is_said(project, install_greeter):
    install_greeter(manifest='api = 1\nreload = "restart"')
    async with running(project) as app:
        path = install_greeter("goodbye")
        (outcome,) = await app.reloader.follow([path])
        assert "needs a new process: `pegboard reload " in outcome.reason
        assert app.greeting == "hello"


async def test_a_plugin_that_is_installed_later_has_settings_whose_types_are_text(
    project, install, install_greeter, tmp_path
):
    settings = """
    from __future__ import annotations
    from typing import Annotated
    import msgspec

    class Inner(msgspec.Struct):
        text: Line = "short"

    class Settings(msgspec.Struct, frozen=True, kw_only=True):
        most: Annotated[int, msgspec.Meta(ge=1)] = 3
        inner: Inner = msgspec.field(default_factory=Inner)

    Line = Annotated[str, msgspec.Meta(max_length=9)]
    """
    plugin = """
    from contextlib import asynccontextmanager
    import msgspec
    from pegboard import hookimpl

    class Plugin:
        @hookimpl
        def config_schema(self):
            from pegboard_later.config import Settings
            return Settings

        @hookimpl
        @asynccontextmanager
        async def lifespan(self, app):
            from pegboard_later.config import Inner
            app.extend("later", msgspec.json.decode(b'{"text": "shorter"}', type=Inner).text)
            yield

    plugin = Plugin()
    """
    install_greeter()
    (project / "pegboard.toml").write_text('[plugins]\nallow = ["greeter", "later"]\n')
    async with App("test", project=project, mods=[]) as app:
        install("later", plugin)
        (tmp_path / "site" / "pegboard_later" / "config.py").write_text(dedent(settings))
        (outcome,) = await app.reloader.sync()
        assert (outcome.name, outcome.outcome) == ("later", "loaded"), outcome
        assert (app.plugins.active["later"].settings.most, app.later) == (3, "shorter")


async def test_a_mod_that_goes_with_a_plugin_is_named_and_comes_back_with_it(
    project, install_greeter, caplog
):
    install_greeter()
    async with App("test", project=project, plugins=None) as app:
        select(project, "greeter", is_wanted=False)
        gone = {each.name: each for each in await app.reloader.sync()}
        assert {each.outcome for each in gone.values()} == {"removed"}
        assert "polite" in gone["a"].reason
        assert "mod a removed: " in caplog.text
        select(project, "greeter", is_wanted=True)
        back = [(each.name, each.outcome) for each in await app.reloader.sync()]
        assert back == [("greeter", "loaded"), ("a", "loaded")]


async def test_settings_of_a_plugin_that_is_uninstalled_are_named_before_the_next_start(
    project, install_greeter, tmp_path, caplog
):
    install_greeter(
        source="import msgspec\nfrom pegboard import hookimpl\n"
        "class Settings(msgspec.Struct):\n    most: int = 1\n"
        "class Plugin:\n    @hookimpl\n    def config_schema(self): return Settings\n"
        "plugin = Plugin()\n"
    )
    with (project / "pegboard.toml").open("a") as manifest:
        manifest.write("[plugins.greeter]\nmost = 2\n")
    async with App("test", project=project, mods=[]) as app:
        assert app.settings("greeter").most == 2
        (info,) = (tmp_path / "site").glob("pegboard_greeter-*.dist-info")
        (info / "entry_points.txt").unlink()
        (outcome,) = await app.reloader.sync()
        assert (outcome.name, outcome.outcome) == ("greeter", "removed")
        assert "section plugins.greeter" in caplog.text
        assert "nothing will start again" in caplog.text


async def test_a_plugin_that_fails_as_it_comes_names_the_line_and_can_be_reloaded(
    project, install_greeter, caplog
):
    async with App("test", project=project, mods=[]) as app:
        install_greeter(source=GREETER.replace("self.count = 0", "raise OSError('no disk')"))
        await app.reloader.sync()
        (outcome,) = app.reloader.unserved("greeter")
        assert re.search(r"pegboard_greeter.__init__\.py:\d+: OSError: no disk", outcome.reason)
        assert "greeter: it does not serve; " in caplog.text
        install_greeter()
        (outcome,) = await app.reloader.reload("greeter")
        assert (outcome.outcome, app.reloader.unserved()) == ("loaded", [])


@pytest.mark.usefixtures("modules_restored")
async def test_a_transport_is_replaced_under_its_requests(project, tmp_path):
    (project / "mods" / "a.py").write_text(
        MOD.replace("polite=True", "api=True, page='Hello'")
        + "\n@export(api=True)\nasync def count():\n    for n in range(3):\n        yield n\n"
    )
    async with App("test", project=project, plugins=["transport_http"], mods=["a"]) as app:
        client = HttpClient(app)
        async with client.stream("GET", "/sse/a/count") as stream:
            before = app.registry.table["a.f"].export.attachments["transport_http"]
            outcomes = await app.reloader.reload("transport_http")
            assert [each.outcome for each in outcomes] == ["reloaded"], outcomes
            after = app.registry.table["a.f"].export.attachments["transport_http"]
            assert type(after) is not type(before)
            assert (await client.get("/api/a/f")).json()["result"]["data"] == "world"
            assert b"Hello" in (await client.get("/")).body
            text = b"".join([chunk async for chunk in stream])
            assert text.count(b"data:") >= 3

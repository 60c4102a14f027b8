"""The app: several at once, embedded, called from everywhere; nothing is global."""

import asyncio
import copy
import pickle
import subprocess
import sys
import threading
from contextlib import asynccontextmanager
from textwrap import dedent

import anyio
import pytest

from pegboard import (
    ANONYMOUS,
    App,
    Connection,
    RequestData,
    Session,
    current_app,
    current_request,
    current_session,
    entered,
    get_app,
    hookimpl,
)
from pegboard.contracts.channel import Channels
from pegboard.errors import (
    ConfigError,
    ForbiddenError,
    LoadError,
    MissingPluginError,
    PegboardError,
    UnauthorizedError,
)

COUNTER = """
from pegboard import App, get_app

app = get_app("counter")
export = app.tb

@export(mod_name="Counter")
def add(app: App):
    state = app.state("Counter")
    state.n = getattr(state, "n", 0) + 1
    return state.n

@export(mod_name="Counter")
async def whose():
    return app.name

@export(mod_name="Counter")
async def both_ways():
    return (get_app().name, (await app.call("Counter.whose")).get())
"""


@pytest.fixture
def counter(tmp_path):
    path = tmp_path / "counter.py"
    path.write_text(COUNTER)
    return path


@pytest.mark.anyio
async def test_two_apps_with_the_same_mod_share_nothing(counter):
    async with App("one", plugins=[], mods=[counter]) as one:
        async with App("two", plugins=[], mods=[counter]) as two:
            assert (await one.call("Counter.add")).get() == 1
            assert (await one.call("Counter.add")).get() == 2
            assert (await two.call("Counter.add")).get() == 1
            assert (await one.call("Counter.both_ways")).get() == ("one", "one")
            assert (await two.call("Counter.both_ways")).get() == ("two", "two")
        assert (await one.call("Counter.add")).get() == 3


@pytest.mark.anyio
async def test_a_call_into_another_app_has_that_apps_context(counter):
    async with (
        App("one", plugins=[], mods=[counter]) as one,
        App("two", plugins=[], mods=[counter]) as two,
    ):

        @one.export(mod_name="M")
        async def across():
            there = (await two.call("Counter.whose")).get()
            return (there, current_app().name)

        assert (await one.call("M.across")).get() == ("two", "one")


@pytest.mark.anyio
@pytest.mark.parametrize(
    "call",
    [("M.f", 1), (("M", "f"), 1), ("M", "f", 1), (["M", "f"], 1)],
)
async def test_an_export_is_named_in_any_of_the_documented_ways(pegboard_app, call):
    async with pegboard_app() as app:

        @app.export(mod_name="M")
        async def f(n):
            return n

        assert (await app.call(*call)).get() == 1


@pytest.mark.anyio
async def test_an_unknown_export_is_a_result_with_a_hint(pegboard_app):
    async with pegboard_app() as app:

        @app.export(mod_name="Hello")
        async def greet(): ...

        result = await app.call("Hello.great")
        assert (result.error, result.info.exec_code) == ("InputError", 404)
        assert "did you mean Hello.greet?" in result.info.help_text
        assert (await app.call(("No", "thing"))).info.exec_code == 404


@pytest.mark.anyio
async def test_exports_can_be_declared_before_and_while_the_app_runs(tmp_path):
    app = App(plugins=[], mods=[])

    @app.export(mod_name="Early")
    async def f():
        return "early"

    for _ in range(2):
        async with app:
            assert (await app.call("Early.f")).get() == "early"
    async with app:

        @app.tb(mod_name="Late")
        async def g():
            return "late"

        assert (await app.call("Late.g")).get() == "late"


@pytest.mark.anyio
async def test_initial_and_exit_functions_may_be_declared_on_the_app_itself():
    app, log = App(plugins=[], mods=[]), []

    def declare(name, **options):
        app.export(mod_name="M", name=name, **options)(lambda: log.append(name))

    declare("begin", initial=True)
    declare("end", exit_f=True)
    for _ in range(2):
        log.clear()
        async with app:
            assert log == ["begin"]
            assert sorted(app.registry.table)[:2] == ["M.begin", "M.end"]
        assert log[-1] == "end"
        assert not app.registry.table
    async with app:
        log.clear()
        declare("begin_late", initial=True)
        declare("end_late", exit_f=True)
        while not log:
            await anyio.lowlevel.checkpoint()
    assert log == ["begin_late", "end_late", "end"]


@pytest.mark.anyio
async def test_a_wrong_declaration_on_a_running_app_changes_nothing(pegboard_app):
    async with pegboard_app() as app:
        app.export(mod_name="M", name="f")(lambda: 1)
        with pytest.raises(LoadError, match=r"M\.f is exported twice"):
            app.export(mod_name="M", name="f")(lambda: 2)
        with pytest.raises(LoadError, match="colour"):
            app.export(mod_name="M", name="g", colour="red")(lambda: 3)
        assert (await app.call("M.f")).get() == 1
        app.export(mod_name="M", name="g")(lambda: 4)
        assert (await app.call("M.g")).get() == 4


@pytest.mark.anyio
async def test_an_initial_function_on_the_app_that_fails_stops_the_start():
    app = App(plugins=[], mods=[])

    @app.export(mod_name="M", initial=True)
    async def begin():
        msg = "no database"
        raise OSError(msg)

    with pytest.raises(LoadError, match="no database"):
        await app.__aenter__()
    assert not app.is_running
    assert not app.registry.table


@pytest.mark.anyio
async def test_an_app_that_does_not_run_says_how_to_start_it():
    app = App("idle", plugins=[], mods=[])
    with pytest.raises(PegboardError, match="app 'idle' does not run: use `async with app:`"):
        await app.call("M.f")
    async with app:
        with pytest.raises(RuntimeError, match="runs already"):
            await app.__aenter__()
    assert not app.is_running


@pytest.mark.anyio
async def test_what_the_block_raises_is_raised_as_it_is_and_the_app_has_stopped():
    app = App(plugins=[], mods=[])
    with pytest.raises(KeyError):
        async with app:
            raise KeyError
    assert not app.is_running


@pytest.mark.anyio
async def test_run_calls_from_a_worker_thread_into_the_running_app(pegboard_app):
    async with pegboard_app() as app:

        @app.export(mod_name="M")
        async def f(n):
            return (n, current_app().name)

        for call in (("M.f", 1), (("M", "f"), 1), ("M", "f", 1)):
            result = await anyio.to_thread.run_sync(app.run, *call)
            assert result.get() == (1, "test")


@pytest.mark.anyio
async def test_run_on_the_event_loop_is_refused_with_advice(pegboard_app):
    async with pegboard_app() as app:
        with pytest.raises(RuntimeError, match=r"use `await app\.call"):
            app.run("M.f")


def test_run_in_a_script_starts_the_app_and_close_stops_it(counter):
    before = set(threading.enumerate())
    app = App("script", plugins=[], mods=[counter])
    assert app.run("Counter.add").get() == 1
    assert app.run("Counter", "add").get() == 2
    app.close()
    app.close()
    assert not app.is_running
    assert set(threading.enumerate()) <= before | {
        each for each in threading.enumerate() if "AnyIO" in each.name
    }
    assert app.run("Counter.add").get() == 3
    app.close()


def test_a_script_can_start_the_app_and_use_what_plugins_give():
    class Giving:
        name = "giving"

        @hookimpl
        def lifespan(self, app):
            return self._lifespan(app)

        @asynccontextmanager
        async def _lifespan(self, app):
            app.extend("get_ctx", lambda: "the context")
            yield

    app = App("script", plugins=[Giving()], mods=[])
    app.start()
    app.start()
    assert app.is_running
    with entered(app):
        assert App.get_ctx() == "the context"
        with pytest.raises(MissingPluginError):
            App.set_ctx(None)
    with pytest.raises(AttributeError, match="no attribute 'unheard_of'"):
        _ = App.unheard_of
    app.close()
    assert not app.is_running


def test_a_script_that_forgets_to_close_ends_in_order(counter):
    script = f"""
        from pathlib import Path
        from pegboard import App

        app = App(plugins=[], mods=[Path({str(counter)!r})])

        @app.export(mod_name="M", exit_f=True)
        def leave(): print("left")

        print(app.run("Counter.add").get())
    """
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", dedent(script)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("1\nleft\n", "", 0)


def test_asking_for_the_app_starts_and_imports_nothing():
    script = """
        import sys, threading
        from pegboard import get_app
        app = get_app("X")
        export = app.tb
        before = set(sys.modules)
        assert threading.active_count() == 1
        assert not app.is_running
        assert not [each for each in sys.modules if each.startswith("pegboard_")]
    """
    subprocess.run([sys.executable, "-c", dedent(script)], check=True, timeout=20)


@pytest.mark.anyio
async def test_several_calls_run_at_once(pegboard_app):
    met = [anyio.Event() for _ in range(3)]
    async with pegboard_app() as app:

        @app.export(mod_name="M")
        async def meet(n):
            met[n].set()
            for each in met:
                await each.wait()

        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:
                for n in range(3):
                    tasks.start_soon(app.call, "M.meet", n)


@pytest.mark.anyio
async def test_a_call_sees_its_app_request_and_session_and_nobody_outside_does(pegboard_app):
    request = RequestData.from_dict({"session": {"user_name": "ada"}})
    async with pegboard_app() as app:

        @app.export(mod_name="M")
        async def seen():
            return (current_app(), current_request(), current_session().user_name)

        with entered(app, request):
            assert (await app.call("M.seen")).get() == (app, request, "ada")
        assert (await app.call("M.seen")).get() == (app, None, "anonymous")
    assert current_session() is ANONYMOUS
    assert current_request() is None
    with pytest.raises(LookupError):
        current_app()


class Door:
    def __init__(self, session):
        self._session = session

    @hookimpl
    def load_session(self, app, connection):
        return self._answer()

    async def _answer(self):
        if isinstance(self._session, Exception):
            raise self._session
        return self._session


SIGNED_IN = Session(user_name="ada", user_id="1", level=1, anonymous=False, validated=True)
ADMINISTRATOR = Session(user_name="bo", user_id="2", level=10, anonymous=False, validated=True)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("session", "level", "outcome"),
    [
        (None, None, ANONYMOUS),
        (None, 0, ANONYMOUS),
        (None, -1, ForbiddenError),
        (ADMINISTRATOR, -1, ForbiddenError),
        (None, 1, UnauthorizedError),
        (SIGNED_IN, 1, SIGNED_IN),
        (SIGNED_IN, 5, ForbiddenError),
    ],
)
async def test_levels_are_enforced_in_one_place(pegboard_app, session, level, outcome):
    async with pegboard_app(plugins=[Door(session)]) as app:

        @app.export(mod_name="M", level=level)
        async def f(): ...

        export = app.registry.table["M.f"].export
        connection = Connection({"type": "http", "path": "/", "headers": []})
        if isinstance(outcome, Session):
            assert await app.access.admit(export, connection) is outcome
        else:
            with pytest.raises(outcome):
                await app.access.admit(export, connection)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("named", "headers", "asked"),
    [
        (None, [], True),
        (["X-Badge"], [(b"accept", b"*/*")], False),
        (["X-Badge"], [(b"x-badge", b"")], True),
        ([], [(b"x-badge", b"")], False),
    ],
)
async def test_nobody_is_asked_about_a_request_that_shows_nothing(
    pegboard_app, named, headers, asked
):
    class Reader(Door):
        @hookimpl
        def session_headers(self):
            return named

    async with pegboard_app(plugins=[Reader(SIGNED_IN)]) as app:
        session = await app.access.session(Connection({"type": "http", "headers": headers}))
    assert (session is SIGNED_IN) is asked


@pytest.mark.anyio
async def test_who_may_tell_by_something_else_is_always_asked(pegboard_app):
    class Reader:
        @hookimpl
        def load_session(self, app, connection):
            return None

        @hookimpl
        def session_headers(self):
            return ["x-badge"]

    async with pegboard_app(plugins=[Reader(), Door(SIGNED_IN)]) as app:
        session = await app.access.session(Connection({"type": "http", "headers": []}))
    assert session is SIGNED_IN


@pytest.mark.anyio
async def test_a_session_loader_that_fails_denies(pegboard_app):
    async with pegboard_app(plugins=[Door(OSError("session store is away"))]) as app:

        @app.export(mod_name="M")
        async def f(): ...

        connection = Connection({"type": "http", "path": "/", "headers": []})
        with pytest.raises(PegboardError) as refused:
            await app.access.admit(app.registry.table["M.f"].export, connection)
    assert refused.value.status in {401, 403, 503}
    assert "session store" not in str(refused.value)


@pytest.mark.anyio
async def test_a_service_has_one_provider_and_a_missing_one_names_its_plugin(pegboard_app):
    async with pegboard_app() as app:
        with pytest.raises(MissingPluginError, match="pip install pegboard-transport-ws"):
            await app.ws_send("id", {})
        undo = app.provide(Channels, object())
        with pytest.raises(ConfigError, match="two plugins provide Channels"):
            app.provide(Channels, object())
        undo()
        with pytest.raises(MissingPluginError):
            app.ws_connections()


@pytest.mark.anyio
async def test_a_plugin_gives_the_app_an_attribute_and_takes_it_away(pegboard_app):
    class Plugin:
        @hookimpl
        def lifespan(self, app):
            undo_at_the_end = app.extend("jobs", "the jobs")
            assert callable(undo_at_the_end)

    async with pegboard_app(plugins=[Plugin()]) as app:
        assert app.jobs == "the jobs"
        with pytest.raises(ConfigError, match=r"app\.jobs exists already"):
            app.extend("jobs", 1)
        with pytest.raises(ConfigError, match=r"app\.call exists already"):
            app.extend("call", 1)
    with pytest.raises(MissingPluginError, match="pip install pegboard-jobs"):
        app.jobs  # noqa: B018


@pytest.mark.anyio
async def test_an_attribute_that_no_plugin_gives_is_absent(pegboard_app):
    async with pegboard_app() as app:
        assert not hasattr(app, "jobs")
        with pytest.raises(AttributeError, match="'App' object has no attribute 'job'"):
            app.job  # noqa: B018


@pytest.mark.anyio
async def test_the_app_starts_and_stops_with_the_lifespan_of_a_server(tmp_path):
    app = App(plugins=[], mods=[], project=tmp_path)
    to_app, app_reads = anyio.create_memory_object_stream(2)
    sent = []

    async def send(message):
        sent.append((message["type"], app.is_running))

    with to_app, app_reads:
        await to_app.send({"type": "lifespan.startup"})
        await to_app.send({"type": "lifespan.shutdown"})
        await app.asgi()({"type": "lifespan"}, app_reads.receive, send)
    assert sent == [("lifespan.startup.complete", True), ("lifespan.shutdown.complete", False)]


@pytest.mark.anyio
async def test_a_start_that_fails_is_told_to_the_server(tmp_path):
    app = App(plugins=[], mods=[], config={"app": {"threads": 0}})
    sent = []

    async def receive():
        return {"type": "lifespan.startup"}

    async def send(message):
        sent.append(message)

    await app.asgi()({"type": "lifespan"}, receive, send)
    assert [each["type"] for each in sent] == ["lifespan.startup.failed"]
    assert "app.threads" in sent[0]["message"]


@pytest.mark.anyio
async def test_get_app_in_a_call_is_the_app_of_that_call(pegboard_app):
    async with pegboard_app(name="test-here") as app:

        @app.export(mod_name="M")
        async def f():
            return get_app("anything") is app

        assert (await app.call("M.f")).get() is True


@pytest.mark.anyio
async def test_calls_that_wait_for_calls_do_not_wait_for_one_anothers_threads(pegboard_app):
    config = {"app": {"threads": 2}}
    async with pegboard_app(config=config) as app:

        @app.export(mod_name="M")
        def inner(depth: int) -> int:
            return app.run("M.inner", depth - 1).get() + 1 if depth else 0

        with anyio.fail_after(10):
            async with anyio.create_task_group() as group:
                for _ in range(8):
                    group.start_soon(app.call, "M.inner", 3)
            assert (await app.call("M.inner", 3)).get() == 3


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.anyio
async def test_the_cancellation_of_a_task_that_an_export_awaits_is_its_failure(pegboard_app):
    async with pegboard_app() as app:

        @app.export(mod_name="M")
        async def wait() -> None:
            task = asyncio.create_task(asyncio.sleep(60))
            task.cancel()
            await task

        result = await app.call("M.wait")
        assert result.is_error()
        assert app.statistics()["calls_failed"] == 1

        @app.export(mod_name="M")
        async def sleep() -> None:
            await asyncio.sleep(60)

        with anyio.move_on_after(0.01) as scope:
            await app.call("M.sleep")
        assert scope.cancelled_caught


def test_threads_that_come_while_the_app_starts_wait_for_it():
    begun, go_on = threading.Event(), threading.Event()
    app = App("threads", plugins=[], mods=[])

    @app.export(mod_name="M", initial=True)
    def start() -> None:
        begun.set()
        go_on.wait(10)

    @app.export(mod_name="M")
    def f() -> str:
        return "served"

    answers: list = []
    threads = [threading.Thread(target=lambda: answers.append(app.run("M.f"))) for _ in range(3)]
    threads[0].start()
    assert begun.wait(10)
    assert not app.is_running
    for each in threads[1:]:
        each.start()
    go_on.set()
    for each in threads:
        each.join(10)
    app.close()
    assert [each.get() for each in answers] == ["served"] * 3


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('prefs={"a": 1}; session=abc', {"prefs": '{"a": 1}', "session": "abc"}),
        ("bad name=1; session=abc", {"bad name": "1", "session": "abc"}),
        ('a="b"; a=c; =d; e; f=', {"a": "b", "f": ""}),
        ("", {}),
    ],
)
def test_cookies_of_others_hide_none_of_ours(header, expected):
    scope = {"type": "http", "path": "/", "headers": [(b"cookie", header.encode())]}
    assert Connection(scope).cookies == expected


def test_a_request_can_be_copied_and_pickled():
    request = RequestData.moc()
    for other in (copy.copy(request), copy.deepcopy(request), pickle.loads(pickle.dumps(request))):
        assert other.to_dict() == request.to_dict()


@pytest.mark.anyio
async def test_only_text_names_an_export_of_a_mod():
    class Odd:
        def __str__(self):
            return "f"

    app = App("names", plugins=[], mods=[])

    @app.export(mod_name="M")
    def f():
        return 1

    async with app:
        assert (await app.call("M", "f")).get() == 1
        assert "there is no export M" in (await app.call("M", Odd())).info.help_text

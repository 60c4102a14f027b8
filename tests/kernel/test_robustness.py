"""What plugins, mods and callers do wrong stays with them."""

import threading
from contextlib import asynccontextmanager

import anyio
import pytest

from pegboard import App, RequestData, Result, hookimpl, parse_query
from pegboard._discovery import PluginCandidate
from pegboard._plugins import PluginStatus
from pegboard.contracts.asgi import Route
from pegboard.contracts.stream import items_of
from pegboard.errors import ConfigError, LoadError, PluginError

pytestmark = pytest.mark.anyio


class Leaving:
    """Tries to end the process while it is activated."""

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, app):
        raise SystemExit(3)
        yield


async def test_a_plugin_that_exits_while_it_is_activated_fails_and_the_process_lives():
    with pytest.raises(PluginError, match="end the process with status 3"):
        async with App("app", plugins=[Leaving()], mods=[]):
            pytest.fail("it was activated")


async def test_a_service_of_a_plugin_that_fails_later_is_withdrawn():
    class Providing:
        @hookimpl
        @asynccontextmanager
        async def lifespan(self, app):
            app.provide(dict, {})
            app.registry.subscribe(list)
            raise RuntimeError("no")
            yield

    app = App("app", plugins=[Providing()], mods=[])
    for _ in range(2):
        with pytest.raises(PluginError, match="RuntimeError: no"):
            async with app:
                pytest.fail("it was activated")
    assert not app.offers.table
    assert not app.registry._subscribers


async def test_an_export_declared_in_a_lifespan_serves_once_and_again_after_a_restart():
    class Declaring:
        @hookimpl
        @asynccontextmanager
        async def lifespan(self, app):
            app.export(mod_name="M", name="f")(lambda: 1)
            yield

    app = App("app", plugins=[Declaring()], mods=[])
    for _ in range(2):
        async with app:
            assert (await app.call("M.f")).get() == 1


async def test_an_initial_function_may_call_the_app_from_its_thread():
    app = App("app", plugins=[], mods=[])
    app.export(mod_name="M", name="f")(lambda: 7)
    seen = []
    app.export(mod_name="M", name="start", initial=True)(lambda: seen.append(app.run("M.f").get()))
    with anyio.fail_after(5):
        async with app:
            assert seen == [7]


async def test_what_is_injected_cannot_be_sent_along_with_keywords():
    app = App("app", plugins=[], mods=[])

    @app.export(mod_name="M", api=True)
    async def f(req: RequestData, **rest):
        return rest

    async with app:
        binding = app.registry.table["M.f"].export.binding
        assert binding.bind({"req": "1", "app": "2", "n": "3"}) == ((), {"n": "3"})


async def test_a_stream_that_is_read_in_process_gives_its_lease_back():
    app = App("app", plugins=[], mods=[])

    @app.export(mod_name="M")
    async def inner():
        yield 1

    @app.export(mod_name="M")
    async def outer():
        return await app.call("M.inner")

    async with app:
        generation = app.registry.table["M.inner"].export.generation
        result = await app.call("M.outer")
        assert generation.leases == 2
        assert [item async for item in items_of(result)] == [1]
        assert generation.leases == 0


async def test_routes_that_cannot_be_served_fail_the_plugin_that_offers_them():
    class Offering:
        @hookimpl
        def asgi_routes(self, app):
            return [123]

    with pytest.raises(ConfigError, match="offering"):
        async with App("app", plugins=[Offering()], mods=[]):
            pytest.fail("it started")


async def test_routes_may_come_from_a_generator():
    async def serve(scope, receive, send):
        """Serve nothing."""

    class Offering:
        @hookimpl
        def asgi_routes(self, app):
            yield Route(kind="http", prefix="/x", asgi=serve)

    async with App("app", plugins=[Offering()], mods=[]) as app:
        assert app.router.find("http", "/x/y") is serve


async def test_a_raise_in_a_hook_that_decides_is_a_refusal():
    class Refusing:
        name = "refusing"

        @hookimpl
        def persist_file(self, app, file):
            raise RuntimeError("cannot encrypt")

    class Careless:
        name = "zz_careless"

        @hookimpl
        def persist_file(self, app, file):
            return "a plain store"

    async with App("app", plugins=[Refusing(), Careless()], mods=[]) as app:
        with pytest.raises(PluginError, match="refusing failed in hook persist_file"):
            app.hooks.first("persist_file", app=app, file=None, backend="local")


async def test_a_task_that_cannot_be_started_is_not_waited_for():
    app = App("app", plugins=[], mods=[])

    async def work():
        """Do nothing."""

    with pytest.raises(Exception, match="does not run"):
        app.spawn(work)
    assert app.statistics()["tasks_running"] == 0


async def test_a_plain_function_may_spawn_a_task_from_its_thread():
    app = App("app", plugins=[], mods=[])
    done = anyio.Event()

    async def work():
        done.set()

    @app.export(mod_name="M")
    def begin():
        assert threading.current_thread() is not threading.main_thread()
        app.spawn(work)

    async with app:
        assert (await app.call("M.begin")).is_ok()
        with anyio.fail_after(5):
            await done.wait()


async def test_what_an_initial_function_leaves_to_a_task_is_done():
    app = App("app", plugins=[], mods=[])
    done = []
    app.export(mod_name="M", name="start", initial=True)(
        lambda: Result.ok().task(lambda: done.append(True))
    )
    async with app:
        pass
    assert done == [True]


async def test_two_plugins_of_one_name_are_told_apart_or_refused():
    with pytest.raises(ConfigError, match="asked for twice"):
        async with App("app", plugins=[Leaving(), Leaving()], mods=[]):
            pytest.fail("it started")


async def test_an_app_that_does_not_run_says_so_over_http():
    sent = []

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request"}

    app = App("app", plugins=[], mods=[])
    await app.asgi()({"type": "http", "path": "/api/M/f", "method": "GET"}, receive, send)
    assert sent[0]["status"] == 503
    assert b"does not run" in sent[1]["body"]


async def test_a_name_that_comes_a_million_times_is_collected_in_linear_time():
    """Quadratic time would take minutes, and the limit of the test run would end it."""
    assert len(parse_query(b"&".join([b"a=1"] * 1_000_000))["a"]) == 1_000_000


async def test_a_keyword_of_a_plugin_that_failed_names_the_failure_and_no_installation():
    app = App("app", plugins=[], mods=[])
    app.export(mod_name="M", name="f", websocket_handler="room")(lambda: {"on_message": None})
    candidate = PluginCandidate(name="transport_ws", manifest=None, target=None)
    failed = PluginStatus(candidate=candidate, state="failed", reason="no memory")
    app.plugins.status["transport_ws"] = failed
    with pytest.raises(LoadError, match="transport_ws, which is failed: no memory"):
        async with app:
            pytest.fail("it started")


async def test_a_class_cannot_be_exported():
    with pytest.raises(ConfigError, match="takes a function"):
        App("app").export(mod_name="M")(dict)

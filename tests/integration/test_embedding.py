"""Pegboard as a part of somebody else's program: what it does there, and what it leaves alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any

import anyio
import pytest
from fastapi import FastAPI, HTTPException
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from pegboard import App, Result, hookimpl
from pegboard.contracts.call import Stage
from pegboard.testing import EventStreamClient, HttpClient, WebSocketClient, watched
from tests.child import PYTEST

TIMEOUT = 10


def shop() -> App:
    """Return an app with an export of each kind."""
    app = App("shop", plugins=["transport_http", "transport_ws"], mods=[])

    @app.export(mod_name="shop", api=True)
    def price(article: str, count: int = 1) -> int:
        return {"lamp": 20, "table": 150}[article] * count

    @app.export(mod_name="shop", api=True)
    async def queue(until: int) -> AsyncIterator[int]:
        for number in range(until):
            yield number

    @app.export(mod_name="shop", api=True)
    async def size(file: Any) -> int:
        return len(await anyio.to_thread.run_sync(file.read))

    @app.export(mod_name="shop", websocket_handler="till")
    def till() -> dict[str, Any]:
        return {"on_message": echo}

    return app


async def echo(payload: Any) -> Any:
    return payload


def in_starlette(app: App) -> Any:
    @asynccontextmanager
    async def lifespan(_host: Starlette) -> AsyncIterator[None]:
        async with watched(app):
            yield

    async def own(request: Request) -> JSONResponse:
        result = await app.call("shop.price", request.path_params["article"])
        return JSONResponse({"price": result.get()})

    routes = [Route("/own/{article}", own), Mount("/board", app.asgi())]
    return Starlette(routes=routes, lifespan=lifespan)


def in_fastapi(app: App) -> Any:
    @asynccontextmanager
    async def lifespan(_host: FastAPI) -> AsyncIterator[None]:
        async with watched(app):
            yield

    host = FastAPI(lifespan=lifespan)

    @host.get("/own/{article}")
    async def own(article: str) -> dict[str, Any]:
        result = await app.call("shop.price", article)
        if result.is_error():
            raise HTTPException(404)
        return {"price": result.get()}

    host.mount("/board", app.asgi())
    return host


HOSTS = {"starlette": in_starlette, "fastapi": in_fastapi}


@asynccontextmanager
async def started(host: Any) -> AsyncIterator[None]:
    """Send a host the lifespan events that a server would send."""
    to_host, host_reads = anyio.create_memory_object_stream[dict[str, Any]](2)
    host_sends, from_host = anyio.create_memory_object_stream[dict[str, Any]](2)
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
    with to_host, host_reads, host_sends, from_host:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(host, scope, host_reads.receive, host_sends.send)
            await to_host.send({"type": "lifespan.startup"})
            assert (await from_host.receive())["type"] == "lifespan.startup.complete"
            yield
            await to_host.send({"type": "lifespan.shutdown"})
            assert (await from_host.receive())["type"] == "lifespan.shutdown.complete"


@pytest.mark.anyio
@pytest.mark.parametrize("mount", HOSTS.values(), ids=HOSTS)
async def test_a_framework_serves_the_app_below_a_path(mount: Callable[[App], Any]) -> None:
    app = shop()
    host = mount(app)
    client = HttpClient(host)
    with anyio.fail_after(TIMEOUT):
        async with started(host):
            answer = await client.get("/board/api/shop/price?article=lamp&count=2")
            assert answer.result().get() == 40
            upload = await client.post("/board/api/shop/size", form={}, files={"file": b"x" * 100})
            assert upload.result().get() == 100
            assert (await client.get("/board/api/shop/nothing")).status == 404
            assert (await client.get("/board/openapi.json")).status == 200
            assert (await client.get("/own/table")).json() == {"price": 150}
            assert (await client.get("/api/shop/price?article=lamp")).status == 404
        assert not app.is_running
        assert (await client.get("/board/api/shop/price?article=lamp")).status == 503


@pytest.mark.anyio
@pytest.mark.parametrize("mount", HOSTS.values(), ids=HOSTS)
async def test_streams_and_sockets_work_below_a_path(mount: Callable[[App], Any]) -> None:
    host = mount(shop())
    with anyio.fail_after(TIMEOUT):
        async with started(host):
            async with EventStreamClient(host).connect("/board/sse/shop/queue?until=3") as events:
                numbers = [event.data async for event in events if event.data.isdigit()]
            assert numbers == ["0", "1", "2"]
            async with WebSocketClient(host).connect("/board/ws/shop/till") as socket:
                await socket.send_json({"a": 1})
                assert await socket.receive_json() == {"a": 1}


@pytest.mark.anyio
@pytest.mark.parametrize("mount", HOSTS.values(), ids=HOSTS)
async def test_a_host_can_be_stopped_and_started_again(mount: Callable[[App], Any]) -> None:
    host = mount(shop())
    for _ in range(2):
        with anyio.fail_after(TIMEOUT):
            async with started(host):
                assert (await HttpClient(host).get("/own/lamp")).json() == {"price": 20}


# -- two apps ------------------------------------------------------------------------------------


class Shout:
    """A layer in capital letters."""

    name = "shout"
    stage = Stage.TRACE

    @hookimpl
    def register_export(self) -> Any:
        return self

    def __call__(self, call: Any) -> Any:
        async def shouted(*args: Any, **kwargs: Any) -> Any:
            result = await call(*args, **kwargs)
            return Result.ok(result.get().upper())

        return shouted


MOD = """
from pegboard import get_app
from . import helper

export = get_app("greeter").tb
count = 0


@export(mod_name="greeter", api=True)
def greet(name: str) -> str:
    from .late import word

    global count
    count += 1
    helper.seen.append(name)
    return f"{word} {name} {count} {len(helper.seen)}"
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    package = tmp_path / "mods" / "greeter"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(dedent(MOD))
    (package / "helper.py").write_text("seen = []\n")
    (package / "late.py").write_text('word = "hello"\n')
    return tmp_path


@pytest.mark.anyio
async def test_two_apps_with_other_plugins_have_the_same_mod(project: Path) -> None:
    loud = App("loud", project=project, plugins=[Shout()], mods=["greeter"])
    plain = App("plain", project=project, plugins=["transport_http"], mods=["greeter"])
    async with watched(plain):
        assert (await plain.call("greeter.greet", "ada")).get() == "hello ada 1 1"
        async with watched(loud):
            assert (await loud.call("greeter.greet", "ada")).get() == "HELLO ADA 1 1"
            assert (await loud.call("greeter.greet", "ada")).get() == "HELLO ADA 2 2"
            answer = await HttpClient(plain).get("/api/greeter/greet?name=ben")
            assert answer.result().get() == "hello ben 2 2"
            assert (await HttpClient(loud).get("/api/greeter/greet?name=ben")).status == 503
        assert (await plain.call("greeter.greet", "ada")).get() == "hello ada 3 3"


@pytest.mark.anyio
async def test_an_app_that_stops_takes_no_module_of_the_other(project: Path) -> None:
    first, second = (
        App(name, project=project, plugins=[], mods=["greeter"]) for name in ("first", "second")
    )
    async with watched(first):
        async with watched(second):
            pass
        # `late` is imported only now
        assert (await first.call("greeter.greet", "ada")).get() == "hello ada 1 1"
    assert not [name for name in sys.modules if "greeter" in name]


@pytest.mark.anyio
async def test_one_module_object_serves_two_apps() -> None:
    module = ModuleType("till")
    source = """
    from pegboard import get_app

    @get_app("till").tb(mod_name="till")
    async def who() -> str:
        return get_app().name
    """
    exec(dedent(source), vars(module))
    apps = [App(name, plugins=[], mods=[module]) for name in ("one", "two")]
    async with watched(apps[0]), watched(apps[1]):
        assert [(await app.call("till.who")).get() for app in apps] == ["one", "two"]


# -- what it leaves alone ------------------------------------------------------------------------

PROGRAM = """
import asyncio, builtins, faulthandler, gc, locale, logging, os, signal, socket, sys, threading
import warnings


def state():
    return {{
        "signals": {{each: signal.getsignal(each) for each in signal.valid_signals()
                    if each not in (signal.SIGKILL, signal.SIGSTOP)}},
        "handlers": (list(logging.root.handlers), logging.root.level, logging.raiseExceptions),
        "loggers": [name for name, each in logging.root.manager.loggerDict.items()
                    if isinstance(each, logging.Logger) and (each.handlers or each.level)],
        "factory": (logging.getLogRecordFactory(), logging.getLoggerClass()),
        "hooks": (sys.excepthook, sys.unraisablehook, threading.excepthook, sys.displayhook),
        "streams": (sys.stdin, sys.stdout, sys.stderr),
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "path": list(sys.path),
        "filters": list(warnings.filters),
        "policy": type(asyncio.get_event_loop_policy()),
        "locale": locale.setlocale(locale.LC_ALL),
        "limits": (sys.getrecursionlimit(), sys.getswitchinterval(), gc.get_threshold(),
                   socket.getdefaulttimeout(), gc.isenabled()),
        "builtins": set(vars(builtins)),
        "trace": (sys.gettrace(), sys.getprofile(), faulthandler.is_enabled()),
        "threads": threading.active_count(),
        "wakeup": signal.set_wakeup_fd(-1),
    }}


before = state()
{body}
for each in set(threading.enumerate()) - {{threading.main_thread()}}:
    each.join(10)  # an idle worker ends a moment after its loop
after = state()
changed = {{key: (before[key], after[key]) for key in before if before[key] != after[key]}}
assert not changed, changed
"""

BODIES = {
    "imported": "import pegboard, pegboard.testing",
    "a script": """
from pegboard import App
app = App("script", plugins=None, mods=[])
@app.export(mod_name="script", row=True)
def double(n): return 2 * n
assert app.run("script.double", 21) == 42
app.close()
""",
    "a loop of ours": """
import anyio
from pegboard import App
from pegboard.testing import HttpClient
async def main():
    app = App("loop", plugins=["transport_http", "transport_ws"], mods=[])
    async with app:
        assert signal.getsignal(signal.SIGTERM) == before["signals"][signal.SIGTERM]
        assert logging.root.handlers == before["handlers"][0]
        await HttpClient(app).get("/health")
anyio.run(main)
""",
    "a failing app": """
import anyio
from pegboard import App
async def main():
    try:
        async with App("failing", plugins=["nobody"], mods=[]):
            pass
    except Exception:
        pass
anyio.run(main)
""",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_the_process_is_as_it_was(body: str, tmp_path: Path) -> None:
    program = PROGRAM.format(body=body)
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr) == ("", "")


def test_an_app_makes_no_file_where_none_is_needed(tmp_path: Path) -> None:
    app = App("clean", project=tmp_path, plugins=["transport_http", "transport_ws"], mods=[])

    async def main() -> None:
        async with app:
            await HttpClient(app).get("/health")

    anyio.run(main)
    assert list(tmp_path.iterdir()) == []


SUITE = """
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from contextlib import asynccontextmanager

from pegboard import App
from pegboard.testing import HttpClient

board = App("mounted", plugins=["transport_http"], mods=[])

@board.export(mod_name="hello", api=True)
def greet(name: str) -> str:
    return f"Hello, {name}!"

@asynccontextmanager
async def lifespan(_host):
    async with board:
        yield

host = FastAPI(lifespan=lifespan)
host.mount("/board", board.asgi())

@pytest.fixture
async def app():
    async with App("fixture", plugins=["transport_http"], mods=[]) as app:
        app.export(mod_name="hello", api=True)(greet)
        yield app

@pytest.mark.anyio
async def test_with_a_fixture_of_its_own(app):
    assert (await HttpClient(app).get("/api/hello/greet?name=Ada")).result().get() == "Hello, Ada!"

@pytest.mark.anyio
async def test_with_the_fixture_of_the_kit(pegboard_app):
    async with pegboard_app(plugins=["transport_http"]) as app:
        app.export(mod_name="hello")(greet)
        assert (await app.call("hello.greet", "Ada")).get() == "Hello, Ada!"

@pytest.mark.filterwarnings("ignore:Using `httpx`")
def test_with_the_client_of_the_host():
    with TestClient(host) as client:
        assert client.get("/board/api/hello/greet?name=Ada").json()["result"]["data"]

def test_logs_are_those_of_pytest(caplog):
    board.print("a line")
    with caplog.at_level("INFO"):
        board.print("another line")
    assert [each.message for each in caplog.records] == ["another line"]
"""


def test_a_suite_of_the_host_tests_it(tmp_path: Path) -> None:
    (tmp_path / "test_host.py").write_text(SUITE, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "test_host.py"]
    variables = {**os.environ, **PYTEST}
    done = subprocess.run(
        command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "6 passed" in done.stdout

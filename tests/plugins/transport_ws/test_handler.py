"""What a register function may return, and how handlers are called."""

import functools
from typing import Any

import pytest

from pegboard import App
from pegboard.errors import LoadError
from pegboard_transport_ws import WebSocketContext
from tests.plugins.transport_ws.client import connect

pytestmark = pytest.mark.anyio


@pytest.fixture
async def app(anyio_backend: str) -> Any:
    async with App("handlers", plugins=["transport_ws"], mods=[]) as app:
        yield app


def register(app: App, function: Any, **options: Any) -> None:
    @app.export(mod_name="Room", websocket_handler="talk", **options)
    def declare() -> Any:
        return {"on_message": function}


async def answer(app: App) -> Any:
    async with connect(app, "/ws/Room/talk", headers={"cookie": "a=b"}) as client:
        await client.send({"n": 1})
        return await client.receive()


async def documented(app: App, conn_id: str, session: dict[str, Any], payload: Any) -> Any:
    return {"app": app.name, "id": len(conn_id), "user": session["user_name"], "got": payload}


EVERYTHING = {"app": "handlers", "id": 22, "user": "anonymous", "got": {"n": 1}}


async def renamed(application: App, cid: str, who: dict[str, Any], message: Any) -> Any:
    return await documented(application, cid, who, message)


async def shuffled(payload: Any, session: Any, conn_id: str, app: App) -> Any:
    return await documented(app, conn_id, session, payload)


async def by_keyword(app: App, *, payload: Any, conn_id: str, session: Any) -> Any:
    return await documented(app, conn_id, session, payload)


async def variadic(*given: Any) -> Any:
    return await documented(*given)


async def with_default(
    app: App, conn_id: str, session: Any, extra: int = 1, payload: Any = None
) -> Any:
    assert extra == 1
    return await documented(app, conn_id, session, payload)


def plain(app: App, conn_id: str, session: dict[str, Any], payload: Any) -> Any:
    return {"app": app.name, "id": len(conn_id), "user": session["user_name"], "got": payload}


class Bound:
    async def method(self, app: App, conn_id: str, session: Any, payload: Any) -> Any:
        return await documented(app, conn_id, session, payload)


@functools.wraps(documented)
def decorated(*args: Any, **kwargs: Any) -> Any:
    return documented(*args, **kwargs)


@pytest.mark.parametrize(
    "function",
    [
        documented,
        renamed,
        shuffled,
        by_keyword,
        variadic,
        with_default,
        plain,
        Bound().method,
        decorated,
        functools.partial(documented),
    ],
    ids=lambda each: getattr(each, "__name__", "partial"),
)
async def test_handlers_receive_their_arguments_by_name_or_in_the_documented_order(
    app: App, function: Any
) -> None:
    register(app, function)
    assert await answer(app) == EVERYTHING


async def test_a_handler_may_take_less(app: App) -> None:
    async def only_payload(payload: Any) -> Any:
        return {"got": payload}

    register(app, only_payload)
    assert await answer(app) == {"got": {"n": 1}}


async def test_a_handler_that_asks_for_it_receives_the_context(app: App) -> None:
    async def on_message(
        app: App, conn_id: str, session: Any, payload: Any, ws_context: WebSocketContext
    ) -> Any:
        assert ws_context.conn_id == conn_id
        return {
            "channel": ws_context.channel_id,
            "known": ws_context.is_authenticated,
            "id": ws_context.user_id,
            "user": ws_context.user,
            "session": ws_context.session_id,
            "host": ws_context.headers["host"],
            "cookies": ws_context.cookies,
        }

    register(app, on_message, websocket_context=True)
    assert await answer(app) == {
        "channel": "Room/talk",
        "known": False,
        "id": None,
        "user": None,
        "session": None,
        "host": "testserver",
        "cookies": {"a": "b"},
    }


async def test_a_handler_with_other_names_and_the_context_receives_both(app: App) -> None:
    async def on_message(a: App, b: str, c: Any, d: Any, *, ws_context: WebSocketContext) -> Any:
        return {"same": ws_context.conn_id == b, "got": d}

    register(app, on_message, websocket_context=True)
    assert await answer(app) == {"same": True, "got": {"n": 1}}


async def three(a: Any, b: Any, c: Any) -> None: ...


async def wants_context(app: App, ws_context: Any) -> None: ...


async def nothing_that_fits() -> None: ...


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (None, "has to return a dict"),
        ({}, "has to return a dict"),
        ({"on_open": documented}, "on_open"),
        ({"on_message": "documented"}, "on_message has to be a function, not str"),
        ({"on_message": three}, r"on_message has to take \(app, conn_id, session, payload\)"),
        ({"on_connect": wants_context}, "on_connect has to take"),
    ],
)
async def test_what_cannot_work_is_said_while_the_mod_loads(
    app: App, declared: Any, message: str
) -> None:
    with pytest.raises(LoadError, match=message):

        @app.export(mod_name="Room", websocket_handler="talk")
        def declare(app: App) -> Any:
            return declared


async def test_a_register_function_may_take_the_app_by_keyword_only(app: App) -> None:
    @app.export(mod_name="Room", websocket_handler="talk")
    def declare(*, app: App) -> Any:
        name = app.name

        async def on_message() -> Any:
            return {"app": name}

        return {"on_message": on_message}

    assert await answer(app) == {"app": "handlers"}


async def test_a_register_function_is_not_async(app: App) -> None:
    with pytest.raises(LoadError, match="cannot be async"):

        @app.export(mod_name="Room", websocket_handler="talk")
        async def declare() -> Any:
            return {}


@pytest.mark.parametrize("name", ["", "a/b", "a\nb"])
async def test_a_name_that_is_no_segment_of_a_path_is_refused(app: App, name: str) -> None:
    with pytest.raises(LoadError, match="last segment of a path"):

        @app.export(mod_name="Room", websocket_handler=name)
        def declare() -> Any:
            return {"on_message": documented}


async def test_the_context_alone_says_nothing(app: App) -> None:
    with pytest.raises(LoadError, match="without websocket_handler"):

        @app.export(mod_name="Room", websocket_context=True)
        def declare() -> Any:
            return {"on_message": documented}


async def test_two_exports_cannot_have_one_path(app: App) -> None:
    register(app, documented)
    with pytest.raises(LoadError, match=r"/ws/Room/talk is handled by Room\.declare already"):

        @app.export(mod_name="Room", websocket_handler="talk")
        def other() -> Any:
            return {"on_message": documented}


@pytest.mark.parametrize("api", [False, True])
async def test_a_register_function_cannot_be_called(app: App, api: bool) -> None:
    register(app, documented, api=api)
    result = await app.call("Room.declare")
    assert result.info.exec_code == 404
    assert "connect to /ws/Room/talk" in result.info.help_text


async def test_without_the_plugin_the_keyword_names_what_to_install() -> None:
    async with App("bare", plugins=[], mods=[]) as app:
        with pytest.raises(LoadError, match="pip install pegboard-transport-ws"):
            register(app, documented)

"""WebSocket by hand: bare ASGI + msgspec, the broadcast a loop that awaits each send."""

from contextlib import AbstractAsyncContextManager, nullcontext

import msgspec

from benchmarks.asgi_type import ASGIApp, Message, Receive, Scope, Send
from benchmarks.lifespan import answer_lifespan
from benchmarks.payload import ECHO_PATH, ROOM_PATH

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_members: set[Send] = set()


def _frame(payload: object) -> Message:
    return {"type": "websocket.send", "text": _encode(payload).decode()}


async def _echo(receive: Receive, send: Send) -> None:
    while (message := await receive())["type"] == "websocket.receive":
        await send(_frame(_decode(message["text"])))


async def _room(receive: Receive, send: Send) -> None:
    _members.add(send)
    try:
        while (message := await receive())["type"] == "websocket.receive":
            frame = _frame(_decode(message["text"]))
            for member in list(_members):
                await member(frame)
    finally:
        _members.discard(send)


_ROUTES = {ECHO_PATH: _echo, ROOM_PATH: _room}


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "websocket":
        await answer_lifespan(receive, send)
        return
    await receive()
    handler = _ROUTES.get(scope["path"])
    if handler is None:
        await send({"type": "websocket.close", "code": 1008})
    else:
        await send({"type": "websocket.accept"})
        await handler(receive, send)


def open_app() -> AbstractAsyncContextManager[ASGIApp]:
    """Return the hand-written application."""
    return nullcontext(_app)

"""WebSocket on Starlette: ``iter_text`` and ``send_text``, msgspec for the JSON."""

from contextlib import AbstractAsyncContextManager, nullcontext

import msgspec
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from benchmarks.asgi_type import ASGIApp
from benchmarks.payload import ECHO_PATH, ROOM_PATH

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
_members: set[WebSocket] = set()


async def _echo(socket: WebSocket) -> None:
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(_encode(_decode(text)).decode())


async def _room(socket: WebSocket) -> None:
    await socket.accept()
    _members.add(socket)
    try:
        async for text in socket.iter_text():
            answer = _encode(_decode(text)).decode()
            for member in list(_members):
                await member.send_text(answer)
    finally:
        _members.discard(socket)


def open_app() -> AbstractAsyncContextManager[ASGIApp]:
    """Return a Starlette application with the two routes."""
    routes = [WebSocketRoute(ECHO_PATH, _echo), WebSocketRoute(ROOM_PATH, _room)]
    return nullcontext(Starlette(routes=routes))

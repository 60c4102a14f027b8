"""BlackSheep with its typed query binding; msgspec reads and writes the JSON: its quickest way."""

from contextlib import AbstractAsyncContextManager, nullcontext
from typing import cast

import msgspec
from blacksheep import Application, Content, Request, Response, Router

from benchmarks.asgi_type import ASGIApp
from benchmarks.envelope import GET_ORIGIN, JSON, POST_ORIGIN, Envelope, envelope
from benchmarks.payload import GET_PATH, POST_PATH, Item

_encode = msgspec.json.Encoder().encode
_decode_item = msgspec.json.Decoder(Item).decode


def _json(answer: Envelope) -> Response:
    return Response(200, content=Content(JSON, _encode(answer)))


async def _get(n: int, name: str) -> Response:
    return _json(envelope(GET_ORIGIN, {"n": n, "name": name}, "dict"))


async def _post(request: Request) -> Response:
    item = _decode_item(await request.read() or b"")
    return _json(envelope(POST_ORIGIN, item, "Item"))


def open_app() -> AbstractAsyncContextManager[ASGIApp]:
    """Return a BlackSheep application with the two routes."""
    router = Router()
    router.add_get(GET_PATH, _get)
    router.add_post(POST_PATH, _post)
    return nullcontext(cast("ASGIApp", Application(router=router)))

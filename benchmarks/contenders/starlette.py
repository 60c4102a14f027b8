"""Starlette, with msgspec for the types and a bytes response: its quickest way."""

from contextlib import AbstractAsyncContextManager, nullcontext

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.asgi_type import ASGIApp
from benchmarks.envelope import GET_ORIGIN, POST_ORIGIN, envelope
from benchmarks.payload import GET_PATH, POST_PATH, Item


class Query(msgspec.Struct):
    """The typed query of the GET."""

    n: int
    name: str


_encode = msgspec.json.Encoder().encode
_decode_item = msgspec.json.Decoder(Item).decode


def _json(body: bytes) -> Response:
    return Response(body, media_type="application/json")


async def _get(request: Request) -> Response:
    query = msgspec.convert(dict(request.query_params), Query, strict=False)
    data = {"n": query.n, "name": query.name}
    return _json(_encode(envelope(GET_ORIGIN, data, "dict")))


async def _post(request: Request) -> Response:
    item = _decode_item(await request.body())
    return _json(_encode(envelope(POST_ORIGIN, item, "Item")))


def open_app() -> AbstractAsyncContextManager[ASGIApp]:
    """Return a Starlette application with the two routes."""
    routes = [
        Route(GET_PATH, _get, methods=["GET"]),
        Route(POST_PATH, _post, methods=["POST"]),
    ]
    return nullcontext(Starlette(routes=routes))

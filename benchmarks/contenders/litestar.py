"""Litestar with typed handlers and msgspec structs, its native types."""

from contextlib import AbstractAsyncContextManager, nullcontext
from typing import cast

from litestar import Litestar, get, post

from benchmarks.asgi_type import ASGIApp
from benchmarks.envelope import GET_ORIGIN, POST_ORIGIN, Envelope, envelope
from benchmarks.payload import GET_PATH, POST_PATH, Item


@get(GET_PATH)
async def _get(n: int, name: str) -> Envelope:
    return envelope(GET_ORIGIN, {"n": n, "name": name}, "dict")


@post(POST_PATH, status_code=200)
async def _post(data: Item) -> Envelope:
    return envelope(POST_ORIGIN, data, "Item")


def open_app() -> AbstractAsyncContextManager[ASGIApp]:
    """Return a Litestar application with the two handlers."""
    app = Litestar(route_handlers=[_get, _post], openapi_config=None, logging_config=None)
    return nullcontext(cast("ASGIApp", app))

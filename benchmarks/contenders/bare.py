"""Bare ASGI + msgspec: what a skilled person writes by hand. The yardstick."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from urllib.parse import parse_qsl

import msgspec

from benchmarks.asgi_type import ASGIApp, Receive, Scope, Send
from benchmarks.envelope import GET_ORIGIN, JSON, OK, POST_ORIGIN, Body, Envelope
from benchmarks.lifespan import answer_lifespan
from benchmarks.payload import GET_PATH, POST_PATH, Item


class Query(msgspec.Struct):
    """The typed query of the GET."""

    n: int
    name: str


_encode = msgspec.json.Encoder().encode
_decode_item = msgspec.json.Decoder(Item).decode


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", JSON), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _parse_query(raw: bytes) -> dict[str, str]:
    text = raw.decode()
    if "%" in text or "+" in text:
        return dict(parse_qsl(text))
    values = {}
    for pair in text.split("&"):
        name, _, value = pair.partition("=")
        values[name] = value
    return values


async def _get(scope: Scope, receive: Receive, send: Send) -> None:
    query = msgspec.convert(_parse_query(scope["query_string"]), Query, strict=False)
    data = {"n": query.n, "name": query.name}
    answer = Envelope("none", GET_ORIGIN, Body("NATIVE", "", data, "dict"), OK)
    await _answer(send, 200, _encode(answer))


async def _post(scope: Scope, receive: Receive, send: Send) -> None:
    message = await receive()
    body: bytes = message["body"]
    while message["more_body"]:
        message = await receive()
        body += message["body"]
    item = _decode_item(body)
    answer = Envelope("none", POST_ORIGIN, Body("NATIVE", "", item, "Item"), OK)
    await _answer(send, 200, _encode(answer))


_ROUTES: dict[str, tuple[str, Callable[[Scope, Receive, Send], Awaitable[None]]]] = {
    GET_PATH: ("GET", _get),
    POST_PATH: ("POST", _post),
}


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        await answer_lifespan(receive, send)
        return
    route = _ROUTES.get(scope["path"])
    if route is None:
        await _answer(send, 404, b'{"error":"not found"}')
    elif route[0] != scope["method"]:
        await _answer(send, 405, b'{"error":"method not allowed"}')
    else:
        try:
            await route[1](scope, receive, send)
        except (ValueError, msgspec.MsgspecError) as error:
            await _answer(send, 400, _encode({"error": str(error)}))


def make_app() -> ASGIApp:
    """Return the hand-written application: a factory for uvicorn."""
    return _app


def open_app() -> AbstractAsyncContextManager[ASGIApp]:
    """Return the hand-written application."""
    return nullcontext(make_app())

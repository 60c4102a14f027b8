"""Answer constants: what the harness itself costs."""

from contextlib import AbstractAsyncContextManager, nullcontext

from msgspec.json import encode

from benchmarks.asgi_type import ASGIApp, Receive, Scope, Send
from benchmarks.envelope import GET_ORIGIN, JSON, POST_ORIGIN, envelope
from benchmarks.lifespan import answer_lifespan
from benchmarks.payload import GET_DATA, GET_PATH, POST_DATA

_GET = encode(envelope(GET_ORIGIN, GET_DATA, "dict"))
_POST = encode(envelope(POST_ORIGIN, POST_DATA, "Item"))


def _start(body: bytes) -> dict[str, object]:
    length = str(len(body)).encode()
    headers = [(b"content-type", JSON), (b"content-length", length)]
    return {"type": "http.response.start", "status": 200, "headers": headers}


_GET_MESSAGES = (_start(_GET), {"type": "http.response.body", "body": _GET})
_POST_MESSAGES = (_start(_POST), {"type": "http.response.body", "body": _POST})


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await answer_lifespan(receive, send)
    elif scope["path"] == GET_PATH:
        await send(_GET_MESSAGES[0])
        await send(_GET_MESSAGES[1])
    else:
        await receive()
        await send(_POST_MESSAGES[0])
        await send(_POST_MESSAGES[1])


def open_app() -> AbstractAsyncContextManager[ASGIApp]:
    """Return the constant application."""
    return nullcontext(_app)

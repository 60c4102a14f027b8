"""A check in front of the application, for requests that Hypercorn lets pass.

Hypercorn accepts a length beside a transfer coding, any text as Host, and heads of any size.
The check costs about a microsecond of the hundred and more that Hypercorn needs for a request.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pegboard.contracts.asgi import AsgiCallable, Receive, Scope, Send

__all__ = ["Guard", "why_not"]

_HOST = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=%:\[\]-]*")
_BODY_HEADERS = {b"content-length", b"transfer-encoding"}


def why_not(
    method: str, headers: Iterable[tuple[bytes, bytes]], limit: int
) -> tuple[int, str] | None:
    """Return the status and text that a request is refused with, None if it is not.

    Args:
        method: Its method.
        headers: Its headers, names in lower case.
        limit: Bytes that the headers may have.
    """
    if method == "PRI":
        return 400, "HTTP/2 is not served here."
    size = 0
    names = set()
    for name, value in headers:
        size += len(name) + len(value)
        if name in _BODY_HEADERS:
            names.add(name)
        elif name == b"host" and not _is_host(value):
            return 400, "The Host header is malformed."
    if len(names) > 1:
        return 400, "The request has both a length and a transfer coding."
    if size > limit:
        return 431, "The request headers are too large."
    return None


class Guard:
    """The application with the check in front of it.

    Args:
        asgi: The application.
        head_limit: Bytes of the headers of one request.
    """

    __slots__ = ("_asgi", "_head_limit")

    def __init__(self, asgi: AsgiCallable, *, head_limit: int) -> None:
        self._asgi = asgi
        self._head_limit = head_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one request."""
        is_http = scope["type"] == "http"
        method = scope["method"] if is_http else "GET"
        refusal = why_not(method, scope["headers"], self._head_limit)
        if refusal is not None:
            await (_answer(send, *refusal) if is_http else _close(send))
            return
        await self._asgi(scope, receive, send)


@lru_cache(maxsize=256)
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value) is not None


async def _answer(send: Send, status: int, text: str) -> None:
    body = text.encode("ascii")
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _close(send: Send) -> None:
    await send({"type": "websocket.close", "code": 1008})

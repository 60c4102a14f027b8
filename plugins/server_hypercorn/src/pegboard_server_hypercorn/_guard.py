"""A check in front of the application, for requests that Hypercorn lets pass.

Hypercorn accepts a length beside a transfer coding, any text as Host, and bodies that never come.
The check costs about a microsecond of the hundred and more that Hypercorn needs for a request.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pegboard.contracts.asgi import AsgiCallable, Message, Receive, Scope, Send

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
        window: Seconds over which the rate of a body is measured.
        rate: Bytes per second that a body has to come with; 0 is no limit.
    """

    __slots__ = ("_asgi", "_head_limit", "_rate", "_window")

    def __init__(self, asgi: AsgiCallable, *, head_limit: int, window: float, rate: int) -> None:
        self._asgi = asgi
        self._head_limit = head_limit
        self._window = window
        self._rate = rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve or refuse one request."""
        is_http = scope["type"] == "http"
        method = scope["method"] if is_http else "GET"
        refusal = why_not(method, scope["headers"], self._head_limit)
        if refusal is not None:
            await (_answer(send, *refusal) if is_http else _close(send))
            return
        if is_http and self._rate and _has_body(scope):
            receive = _PacedBody(receive, send, self._window, self._rate)
        await self._asgi(scope, receive, send)


class _PacedBody:
    """The `receive` of a request with a body, which ends it when it comes too slowly."""

    def __init__(self, receive: Receive, send: Send, window: float, rate: int) -> None:
        self._receive = receive
        self._send = send
        self._window = window
        self._rate = rate
        self._is_complete = False
        self._left = window
        self._bytes = 0

    async def __call__(self) -> Message:
        if self._is_complete:
            return await self._receive()
        start = anyio.current_time()
        with anyio.move_on_after(self._left):
            message = await self._receive()
            self._is_complete = not message.get("more_body", False)
            self._count(len(message.get("body", b"")), anyio.current_time() - start)
            return message
        if self._bytes >= self._window * self._rate:
            self._left, self._bytes = self._window, 0
            return await self()
        self._is_complete = True
        await _answer(self._send, 408, "The request took too long to arrive.")
        return {"type": "http.disconnect"}

    def _count(self, size: int, passed: float) -> None:
        # Only the time that is spent waiting for the client counts, not that of the application.
        self._bytes += size
        self._left -= passed
        if self._left <= 0 or self._bytes >= self._window * self._rate:
            self._left, self._bytes = self._window, 0


def _has_body(scope: Scope) -> bool:
    if scope["http_version"] == "2":
        return scope["method"] not in ("GET", "HEAD", "OPTIONS")
    return any(name in _BODY_HEADERS for name, _ in scope["headers"])


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

"""ASGI 3 vocabulary, the routes that plugins contribute, and how they become one application.

Source: the ASGI specification, version 3.0 (https://asgi.readthedocs.io).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Literal, TypeAlias

import msgspec

__all__ = ["AsgiCallable", "Message", "Receive", "Route", "Router", "Scope", "Send"]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
AsgiCallable: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the address space that a plugin serves.

    Attributes:
        kind: The ASGI scope type that is served.
        prefix: First path segment with its slash (`/api`), or `/` for whatever nobody else has.
        asgi: Called with `scope`, `receive`, `send`; `scope["path"]` keeps the prefix.
    """

    kind: Literal["http", "websocket"]
    prefix: str
    asgi: AsgiCallable


class Router:
    """Send each connection to the route of its first path segment.

    Args:
        routes: At most one for each kind and prefix.

    Raises:
        ValueError: If two routes have the same kind and prefix, or a prefix is not one segment.
    """

    __slots__ = ("_fallback", "_table")

    def __init__(self, routes: Iterable[Route] = ()) -> None:
        self._table: dict[tuple[str, str], AsgiCallable] = {}
        for route in routes:
            if not route.prefix.startswith("/") or "/" in route.prefix[1:]:
                msg = f"route prefix {route.prefix!r} is not a single segment such as '/api'"
                raise ValueError(msg)
            key = (route.kind, route.prefix)
            if key in self._table:
                msg = f"two plugins serve {route.kind} {route.prefix}"
                raise ValueError(msg)
            self._table[key] = route.asgi
        self._fallback = {
            "http": self._table.get(("http", "/"), _http_not_found),
            "websocket": self._table.get(("websocket", "/"), _websocket_refuse),
        }

    def find(self, kind: str, path: str) -> AsgiCallable:
        """Return what serves `path`: never None, since unknown paths have a refusing route."""
        end = path.find("/", 1)
        return self._table.get((kind, path if end < 0 else path[:end])) or self._fallback[kind]


async def _http_not_found(scope: Scope, receive: Receive, send: Send) -> None:
    del scope, receive
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"9")]
    await send({"type": "http.response.start", "status": 404, "headers": headers})
    await send({"type": "http.response.body", "body": b"Not Found"})


async def _websocket_refuse(scope: Scope, receive: Receive, send: Send) -> None:
    del scope
    await receive()
    await send({"type": "websocket.close", "code": 1008, "reason": "nothing is served here"})

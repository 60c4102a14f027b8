"""ASGI 3 vocabulary, the routes that plugins contribute, and how they become one application.

Source: the ASGI specification, version 3.0 (https://asgi.readthedocs.io).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Literal, TypeAlias

import msgspec

from pegboard._result import Result
from pegboard.errors import NotFoundError

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
        find: Answers with what serves exactly this path, or None. The answer is remembered until
            exports change, so that the next request goes there at once.
    """

    kind: Literal["http", "websocket"]
    prefix: str
    asgi: AsgiCallable
    find: Callable[[str], AsgiCallable | None] | None = None


class Router:
    """Send each connection to the route of its first path segment.

    Attributes:
        known: What serves each path of an HTTP route with `find` that was asked for; as many as
            there are exports, at most.

    Args:
        routes: At most one for each kind and prefix.

    Raises:
        ValueError: If two routes have the same kind and prefix, or a prefix is not one segment.
    """

    __slots__ = ("_fallback", "_finders", "_table", "known")

    def __init__(self, routes: Iterable[Route] = ()) -> None:
        self.known: dict[str, AsgiCallable] = {}
        self._table: dict[tuple[str, str], AsgiCallable] = {}
        self._finders: dict[str, Callable[[str], AsgiCallable | None]] = {}
        for route in routes:
            if not route.prefix.startswith("/") or "/" in route.prefix[1:]:
                msg = f"route prefix {route.prefix!r} is not a single segment such as '/api'"
                raise ValueError(msg)
            key = (route.kind, route.prefix)
            if key in self._table:
                msg = f"two plugins serve {route.kind} {route.prefix}"
                raise ValueError(msg)
            self._table[key] = route.asgi
            if route.find is not None and route.kind == "http":
                self._finders[route.prefix] = route.find
        self._fallback = {
            "http": self._table.get(
                ("http", "/"), _http_not_found if self._table else _http_unavailable
            ),
            "websocket": self._table.get(("websocket", "/"), _websocket_refuse),
        }

    def find(self, kind: str, path: str) -> AsgiCallable:
        """Return what serves `path`: never None, since unknown paths have a refusing route."""
        end = path.find("/", 1)
        prefix = path if end < 0 else path[:end]
        finder = self._finders.get(prefix) if kind == "http" else None
        target = finder(path) if finder else None
        if target is not None:
            self.known[path] = target
            return target
        return self._table.get((kind, prefix)) or self._fallback[kind]


async def _http_not_found(scope: Scope, receive: Receive, send: Send) -> None:
    del scope, receive
    await _say(send, 404, b"Not Found")


async def _http_unavailable(scope: Scope, receive: Receive, send: Send) -> None:
    del scope, receive
    await _say(send, 503, b"Nothing is served: the app does not run, or no plugin has a route")


async def _say(send: Send, status: int, text: bytes) -> None:
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(text)),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text})


async def _websocket_refuse(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    reason = "nothing is served here"
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": 1008, "reason": reason})
        return
    body = msgspec.json.encode(Result.from_error(NotFoundError(reason)))
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "websocket.http.response.start", "status": 404, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})

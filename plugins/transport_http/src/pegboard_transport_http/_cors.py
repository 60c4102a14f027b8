"""Which pages of other origins may call: cross-origin resource sharing.

Source: the Fetch standard, section 3.3 (CORS protocol).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pegboard_transport_http._header import Header, field

if TYPE_CHECKING:
    from pegboard.contracts.asgi import AsgiCallable, Message, Receive, Scope, Send
    from pegboard_transport_http.config import HttpSettings

__all__ = ["Cors"]

_VARY = (b"vary", b"origin")


class Cors:
    """Answers preflight requests, and tells browsers who may read the other answers.

    Args:
        settings: The `cors_` settings.
    """

    def __init__(self, settings: HttpSettings) -> None:
        self._origins = frozenset(each.lower().rstrip("/") for each in settings.cors_origins)
        self._any = "*" in self._origins
        self._credentials: list[Header] = (
            [(b"access-control-allow-credentials", b"true")] if settings.cors_credentials else []
        )
        self._expose = [field("access-control-expose-headers", ", ".join(settings.cors_expose))]
        self._preflight = [
            field("access-control-allow-methods", ", ".join(settings.cors_methods)),
            field("access-control-max-age", str(int(settings.cors_max_age))),
        ]
        self._any_header = "*" in settings.cors_headers
        self._headers = field("access-control-allow-headers", ", ".join(settings.cors_headers))

    @property
    def is_on(self) -> bool:
        """Whether anybody from elsewhere may call at all."""
        return bool(self._origins)

    def wrap(self, asgi: AsgiCallable) -> AsgiCallable:
        """Return a route that keeps to the policy."""

        async def route(scope: Scope, receive: Receive, send: Send) -> None:
            headers = dict(scope["headers"])
            origin = headers.get(b"origin")
            allowed = self._allowed(origin)
            is_preflight = b"access-control-request-method" in headers
            if is_preflight and scope["method"] == "OPTIONS" and origin is not None:
                answer = self._answer(allowed, headers.get(b"access-control-request-headers"))
                await send({"type": "http.response.start", "status": 204, "headers": answer})
                await send({"type": "http.response.body", "body": b""})
                return
            extra = [*allowed, *self._expose] if allowed else []

            async def send_with_policy(message: Message) -> None:
                if message["type"] == "http.response.start":
                    vary = [] if self._any else [_VARY]
                    message = {**message, "headers": [*message["headers"], *vary, *extra]}
                await send(message)

            await asgi(scope, receive, send_with_policy)

        return route

    def _allowed(self, origin: bytes | None) -> list[Header]:
        if origin is None:
            return []
        if self._any:
            return [(b"access-control-allow-origin", b"*")]
        if origin.decode("latin-1").lower() in self._origins:
            return [(b"access-control-allow-origin", origin), *self._credentials]
        return []

    def _answer(self, allowed: list[Header], wanted: bytes | None) -> list[Header]:
        """Return the headers of the answer to a preflight; without permission, next to none."""
        vary = (b"vary", b"origin, access-control-request-method, access-control-request-headers")
        if not allowed:
            return [vary]
        if self._any_header:
            headers = field("access-control-allow-headers", (wanted or b"*").decode("latin-1"))
        else:
            headers = self._headers
        return [vary, *allowed, *self._preflight, headers]

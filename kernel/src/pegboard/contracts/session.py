"""Who asks: what `load_session` is given to find out."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from pegboard._headers import Headers

if TYPE_CHECKING:
    from pegboard.contracts.asgi import Scope

__all__ = ["RESPONSE_HEADERS", "Connection"]

RESPONSE_HEADERS = "pegboard.response_headers"
"""Key of an ASGI scope: a list of headers that a transport adds to the response."""


class Connection:
    """The request or handshake as far as it tells who is there, read on demand.

    Attributes:
        scope: The ASGI scope; `scope["type"]` is `http` or `websocket`.
    """

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    @property
    def path(self) -> str:
        """The decoded path, with a leading slash."""
        path: str = self.scope["path"]
        return path

    @cached_property
    def headers(self) -> Headers:
        """The request headers."""
        return Headers.from_scope(self.scope)

    @cached_property
    def cookies(self) -> dict[str, str]:
        """The cookies, read as browsers write them; of several with one name it is the first.

        Source: RFC 6265, 5.4. What other programs of this host have set may be anything.
        """
        found: dict[str, str] = {}
        for each in (self.headers.cookie or "").split(";"):
            name, is_pair, value = (part.strip() for part in each.partition("="))
            if name and is_pair:
                found.setdefault(name, value.strip('"'))
        return found

    def add_response_header(self, name: bytes, value: bytes) -> None:
        """Let the response have a header, such as a fresh cookie; a handshake sends none.

        Args:
            name: Its name in lower case.
            value: Its value.
        """
        self.scope.setdefault(RESPONSE_HEADERS, []).append((name, value))

    @property
    def client(self) -> str:
        """The peer's address as the server saw it, or an empty string; never a header's word."""
        peer = self.scope.get("client")
        return str(peer[0]) if peer else ""

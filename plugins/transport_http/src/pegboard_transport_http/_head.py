"""The head of a request: what is refused before anything else looks at it.

Two readers of one connection that disagree about where a request ends are how requests are
smuggled past a proxy (RFC 9112, section 11.2). The servers underneath let some of it through.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from pegboard_transport_http._refusal import MalformedRequestError

if TYPE_CHECKING:
    from pegboard.contracts.asgi import Scope

__all__ = ["Fields", "HeadCheck", "check_path"]

Fields = Mapping[bytes, bytes]

HOSTS = 1024
"""Most hosts that are remembered as well-formed."""

LENGTH = 18
"""Most digits of a Content-Length."""

_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(?::[0-9]{0,5})?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_WATCHED = frozenset((b"content-length", b"content-type", b"host", b"transfer-encoding"))


class HeadCheck:
    """Checks the heads of requests; remembers the hosts that it has found well-formed."""

    __slots__ = ("_hosts",)

    def __init__(self) -> None:
        self._hosts: set[bytes | None] = set()

    def fields(self, scope: Scope) -> dict[bytes, bytes]:
        """Return the headers by name; of those that say where a request ends there is one each.

        Raises:
            MalformedRequestError: If the head is ambiguous or malformed.
        """
        headers = scope["headers"]
        found: dict[bytes, bytes] = dict(headers)
        if len(found) != len(headers):
            _check_repeated(headers)
        if found.get(b"host") not in self._hosts:
            self._check_host(scope, found)
        length = found.get(b"content-length")
        if length is not None and (
            not length.isdigit() or len(length) > LENGTH or b"transfer-encoding" in found
        ):
            msg = "a Content-Length that is malformed, or stands beside a Transfer-Encoding"
            raise MalformedRequestError(msg)
        return found

    def _check_host(self, scope: Scope, fields: Fields) -> None:
        host = fields.get(b"host")
        if host is None:
            if scope.get("http_version", "1.1") == "1.1":
                msg = "an HTTP/1.1 request needs a Host header"
                raise MalformedRequestError(msg)
            return
        if not _HOST.fullmatch(host):
            msg = "malformed Host header"
            raise MalformedRequestError(msg)
        if len(self._hosts) >= HOSTS:
            self._hosts.clear()
        self._hosts.add(host)


def check_path(path: str) -> None:
    """Make sure that a path that leads nowhere is at least one.

    Raises:
        MalformedRequestError: If there are control characters in it.
    """
    if _CONTROL.search(path):
        msg = "control characters in the path"
        raise MalformedRequestError(msg)


def _check_repeated(headers: Iterable[tuple[bytes, bytes]]) -> None:
    seen: set[bytes] = set()
    for name, _ in headers:
        if name in _WATCHED and name in seen:
            msg = f"repeated {name.decode()} header"
            raise MalformedRequestError(msg)
        seen.add(name)

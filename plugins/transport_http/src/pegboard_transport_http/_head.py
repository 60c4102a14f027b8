"""The head of a request: what is refused before anything else looks at it.

Two readers of one connection that disagree about where a request ends are how requests are
smuggled past a proxy (RFC 9112, section 11.2). The servers underneath let some of it through.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from pegboard.errors import ForbiddenError
from pegboard_transport_http._refusal import MalformedRequestError

if TYPE_CHECKING:
    from pegboard.contracts.asgi import Scope

__all__ = ["Fields", "HeadCheck", "check_path"]

Fields = Mapping[bytes, bytes]

HOSTS = 1024
"""Most hosts that are remembered as good."""

LENGTH = 18
"""Most digits of a Content-Length."""

_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]+)(?::[0-9]{0,5})?")
_PORT = re.compile(rb":[0-9]*$")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_WATCHED = frozenset((b"content-length", b"content-type", b"host", b"transfer-encoding"))


class HeadCheck:
    """Checks the heads of requests; remembers the hosts that it has let pass.

    Args:
        allowed_hosts: Names, without port, under which clients reach this server; none for any.
    """

    __slots__ = ("_allowed", "_hosts")

    def __init__(self, allowed_hosts: Iterable[str] = ()) -> None:
        self._allowed = frozenset(_bare(each.lower().encode()) for each in allowed_hosts)
        self._hosts: set[bytes | None] = set()

    def fields(self, scope: Scope) -> dict[bytes, bytes]:
        """Return the headers by name; of those that say where a request ends there is one each.

        Raises:
            MalformedRequestError: If the head is ambiguous or malformed.
            ForbiddenError: If it is for a host that is not served here.
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
            self._check_name(b"")
            return
        if not _HOST.fullmatch(host):
            msg = "malformed Host header"
            raise MalformedRequestError(msg)
        self._check_name(host)
        if len(self._hosts) >= HOSTS:
            self._hosts.clear()
        self._hosts.add(host)

    def _check_name(self, host: bytes) -> None:
        """Refuse a page whose own name was made to lead here: only a list of ours shows it."""
        if self._allowed and _bare(_PORT.sub(b"", host.lower())) not in self._allowed:
            name = host.decode() or "a request without a Host header"
            msg = f"{name} is not served here; see the setting allowed_hosts"
            raise ForbiddenError(msg)


def _bare(host: bytes) -> bytes:
    """Return a name or address without the brackets of an IPv6 address."""
    return host.strip(b"[]")


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

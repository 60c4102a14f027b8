"""Which web pages may connect. No I/O.

A browser lets a page of any site open a socket here, with the cookies of its user, and says in the
Origin header whose page it is (RFC 6455 section 10.2, RFC 6454).
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

__all__ = ["is_allowed_host", "is_allowed_origin"]

_DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_CLEAR = {"http", "ws"}


def is_allowed_host(host: str | None, allowed: Collection[str]) -> bool:
    """Whether a handshake may ask for this Host.

    A page whose own name is made to lead to this server is of the same host as far as a browser
    can tell; only the list of one's own names shows it.

    Args:
        host: The Host header.
        allowed: Names without port; none allows every one.
    """
    if not allowed:
        return True
    parts = _host_parts(host or "", 0)
    return parts is not None and parts[0] in {each.lower().strip("[]") for each in allowed}


def is_allowed_origin(
    origin: str | None, host: str | None, allowed: Collection[str], *, is_secure: bool = False
) -> bool:
    """Whether a handshake with this Origin and Host is welcome.

    Args:
        origin: The Origin header; None from a client that is no browser.
        host: The Host header.
        allowed: Further origins; `*` allows every one.
        is_secure: Whether the handshake came over TLS, and so has to the page. A page that came
            over TLS to a proxy may connect without.
    """
    if origin is None or "*" in allowed:
        return True
    asked = _origin_parts(origin)
    if asked is None:
        return origin in allowed  # `null`, of a page without an origin, may be listed
    scheme, name, port = asked
    is_weaker = is_secure and scheme in _CLEAR
    if (
        not is_weaker
        and host is not None
        and _host_parts(host, _DEFAULT_PORTS[scheme]) == (name, port)
    ):
        return True
    return any(_origin_parts(each) == asked for each in allowed)


def _origin_parts(origin: str) -> tuple[str, str, int] | None:
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        return None
    return parts.scheme, parts.hostname, port or _DEFAULT_PORTS[parts.scheme]


def _host_parts(host: str, default_port: int) -> tuple[str, int] | None:
    try:
        parts = urlsplit(f"//{host}")
        return parts.hostname or "", parts.port or default_port
    except ValueError:
        return None

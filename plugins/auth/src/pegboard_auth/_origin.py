"""Whether a request that brings a cookie comes from a page of ours. No I/O.

A browser sends the cookies of a site with whatever any page makes it request, and says whose page
that was: in Sec-Fetch-Site (W3C Fetch Metadata), and in Origin (RFC 6454). What kind of body a
request has tells nothing, and is not looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal
from urllib.parse import urlsplit

__all__ = ["Verdict", "judge"]

Verdict = Literal["own", "stranger", "forbidden"]

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

_OURS = frozenset({b"same-origin", b"none"})
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def judge(
    fields: Mapping[bytes, bytes],
    method: str,
    *,
    is_secure: bool,
    trusted: Collection[str] = (),
    links: bool = False,
) -> Verdict:
    """Say what the cookies of a request are worth.

    Args:
        fields: Request headers by lower-case name; only the known ones matter.
        method: HTTP method, or `WEBSOCKET` for a handshake.
        is_secure: Whether it came over TLS.
        trusted: Further origins that are as good as our own.
        links: Whether a link of another site may be followed with the cookie.

    Returns:
        `own` where a page of ours, the user or a program asks; `stranger` where another site makes
        a browser read something, which then reads it as nobody; `forbidden` where another site
        makes it do something.
    """
    if _is_own(fields, is_secure=is_secure, trusted=trusted):
        return "own"
    if method not in SAFE:
        return "forbidden"
    is_link = fields.get(b"sec-fetch-mode") == b"navigate"
    return "own" if links and is_link else "stranger"


def _is_own(fields: Mapping[bytes, bytes], *, is_secure: bool, trusted: Collection[str]) -> bool:
    site, origin = fields.get(b"sec-fetch-site"), fields.get(b"origin")
    if origin is not None and origin.decode("latin-1") in trusted:
        return True
    if site is not None:
        return site in _OURS
    if origin is not None:
        return _is_here(origin, fields.get(b"host", b""), is_secure=is_secure)
    return True


def _is_here(origin: bytes, host: bytes, *, is_secure: bool) -> bool:
    try:
        page = urlsplit(origin.decode("ascii"))
        asked = urlsplit(f"//{host.decode('ascii')}")
        default = _PORTS[page.scheme]
        here = (asked.hostname, asked.port or default)
        there = (page.hostname, page.port or default)
    except (KeyError, ValueError):
        return False
    return here == there and (page.scheme in {"https", "wss"} or not is_secure)

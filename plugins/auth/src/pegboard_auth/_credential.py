"""What a request brings to say who asks. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import NamedTuple

__all__ = ["SHOWN", "Credential", "Source", "cookie_value", "find_credential", "known_fields"]

SHOWN = frozenset({b"authorization", b"cookie", b"x-api-key"})
"""Headers that may say who asks."""

KNOWN = SHOWN | {b"host", b"origin", b"sec-fetch-mode", b"sec-fetch-site"}
"""Those, and what tells whose page has sent a cookie."""
BEARER = b"bearer "
KEY_PREFIX = b"pbk_"


class Source(IntEnum):
    """Where a credential stood."""

    COOKIE = 1
    BEARER = 2
    KEY = 3


class Credential(NamedTuple):
    """What somebody shows.

    Attributes:
        source: Where it stood.
        text: What it is; secret.
    """

    source: Source
    text: bytes

    def __repr__(self) -> str:
        return f"<Credential {self.source.name}>"


def known_fields(headers: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return the headers that matter here; several cookie lines are one (RFC 9113, 8.2.3)."""
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in KNOWN:
            if name == b"cookie" and name in found:
                value = b"; ".join((found[name], value))  # noqa: PLW2901 - the value of both lines
            found[name] = value
    return found


def find_credential(fields: Mapping[bytes, bytes], cookie: bytes) -> Credential | None:
    """Return what is shown, if anything is: an API key before a token before the cookie.

    Args:
        fields: What `known_fields` has returned.
        cookie: Name of the session cookie.
    """
    key = fields.get(b"x-api-key")
    if key is not None:
        return Credential(Source.KEY, key)
    shown = fields.get(b"authorization")
    if shown is not None and shown[:7].lower() == BEARER:
        text = shown[7:].strip()
        return Credential(Source.KEY if text.startswith(KEY_PREFIX) else Source.BEARER, text)
    jar = fields.get(b"cookie")
    value = None if jar is None else cookie_value(jar, cookie)
    return Credential(Source.COOKIE, value) if value else None


def cookie_value(jar: bytes, name: bytes) -> bytes | None:
    """Return the value of a cookie, the first of several, None without one."""
    if name not in jar:
        return None
    start = name + b"="
    for each in jar.split(b";"):
        part = each.strip()
        if part.startswith(start):
            return part[len(start) :]
    return None

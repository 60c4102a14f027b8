"""Response headers that are safe to send, whatever an export puts into them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote

from pegboard.errors import PegboardError

__all__ = ["Header", "UnsafeHeaderError", "attachment", "field", "fields", "guarded", "location"]

Header = tuple[bytes, bytes]

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_UNSAFE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_UNQUOTED = re.compile(r"[^ !#$&'()*+,.0-9:;<=>?@A-Z\[\]^_`a-z{|}~-]")
_NOT_OURS = frozenset(
    {
        "connection",
        "content-length",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that say how the message is transferred: they are the server's."""

NO_SNIFFING: Header = (b"x-content-type-options", b"nosniff")
NO_FRAMING: Header = (b"x-frame-options", b"SAMEORIGIN")

_URL_SAFE = "!#$%&'()*+,/:;=?@[]~"


class UnsafeHeaderError(PegboardError):
    """An export answered with a header that would break the response."""

    code = "unsafe_header"

    def __init__(self, name: str) -> None:
        super().__init__(f"the export sets a header {name!r} that cannot be sent")


def field(name: str, value: str) -> Header:
    """Return one header as it is sent, its name in lower case.

    Raises:
        UnsafeHeaderError: If the name is not a token, or the value has control characters.
    """
    if not _NAME.fullmatch(name) or _UNSAFE.search(value):
        raise UnsafeHeaderError(name)
    try:
        encoded = value.strip(" \t").encode("latin-1")
    except UnicodeEncodeError:
        encoded = value.strip(" \t").encode("utf-8", "replace")
    return name.lower().encode("ascii"), encoded


def fields(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> list[Header]:
    """Return headers as they are sent; those about the transfer are left to the server.

    Raises:
        UnsafeHeaderError: If one of them would break the response.
    """
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    return [
        field(str(name), str(value)) for name, value in pairs if str(name).lower() not in _NOT_OURS
    ]


def guarded(headers: list[Header]) -> list[Header]:
    """Return headers with those that keep a page out of foreign frames, and text from becoming one.

    What an export sets itself stays as it is. JSON needs no guard: no browser takes it for a page.
    """
    own = dict(headers)
    kind = own.get(b"content-type")
    if kind is None or kind == b"application/json":
        return headers
    guards = [] if NO_SNIFFING[0] in own else [NO_SNIFFING]
    is_framed = NO_FRAMING[0] in own or b"content-security-policy" in own
    if kind.lower().startswith(b"text/html") and not is_framed:
        guards.append(NO_FRAMING)
    return [*headers, *guards]


def attachment(filename: str) -> Header:
    """Return the header that makes a browser save the response under a name.

    Source: RFC 6266, and RFC 8187 for names beyond ASCII.
    """
    name = re.sub(r"[\\/]", "_", filename)
    plain = _UNQUOTED.sub("_", name)
    value = f'attachment; filename="{plain}"'
    if plain != name:
        extended = quote(name, safe="!#$&+-.^_`|~", errors="replace")
        value = f"{value}; filename*=UTF-8''{extended}"
    return b"content-disposition", value.encode("ascii")


def location(url: str) -> Header:
    """Return the header of a redirect; what a URL cannot contain is percent-encoded."""
    return b"location", quote(url, safe=_URL_SAFE, errors="replace").encode("ascii")

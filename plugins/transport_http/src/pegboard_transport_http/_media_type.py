"""What kind of body a Content-Type announces, and what a header's parameters say.

Whoever sends a request chooses these headers: they are short, or refused, and reading one takes
time in proportion to its length.
"""

from __future__ import annotations

import re

import msgspec

from pegboard.errors import UnsupportedMediaError

__all__ = ["MediaType", "parse_media_type", "parse_parameters"]

LONGEST = 1024
"""Most bytes of a Content-Type."""

# A quote that opens and never closes ends the header, so no text is searched for quotes twice.
_PARAMETER = re.compile(
    r';[ \t]*(?:([^\s;="]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*+)"|([^\s;"]*))[ \t]*)?(?=;|$)',
    re.DOTALL,
)
_ESCAPED = re.compile(r'\\([\\"])')


class MediaType(msgspec.Struct, frozen=True):
    """A Content-Type, read.

    Attributes:
        essence: Type and subtype in lower case, empty where nothing was announced.
        charset: Announced charset in lower case, empty without one.
        boundary: What stands between the parts of a multipart body, empty without one.
    """

    essence: str
    charset: str = ""
    boundary: str = ""

    @property
    def is_json(self) -> bool:
        """Whether it is JSON, by its own name or by its suffix (RFC 6839)."""
        return self.essence == "application/json" or self.essence.endswith("+json")

    @property
    def is_text(self) -> bool:
        """Whether it is text."""
        return self.essence.startswith("text/")


def parse_media_type(value: bytes | None) -> MediaType:
    """Read a Content-Type header; one that makes no sense reads as nothing announced.

    Raises:
        UnsupportedMediaError: If it is longer than any that makes sense.
    """
    if not value:
        return MediaType("")
    if len(value) > LONGEST:
        msg = f"the Content-Type is longer than {LONGEST} bytes"
        raise UnsupportedMediaError(msg)
    essence, parameters = parse_parameters(value)
    charset = parameters.get("charset", "").lower()
    return MediaType(essence, charset, parameters.get("boundary", ""))


def parse_parameters(value: bytes) -> tuple[str, dict[str, str]]:
    """Return what stands before the first semicolon in lower case, and the parameters after it.

    The first of a repeated parameter counts, and what is malformed ends the list. Bytes are taken
    for Latin-1, so that a value encodes to the bytes that it was sent as.

    Source: RFC 9110, section 5.6.6, and RFC 7578, section 4.2: there are no `name*` parameters.
    """
    text = value.decode("latin-1")
    first, separator, _ = text.partition(";")
    found: dict[str, str] = {}
    position = len(first)
    while separator and (match := _PARAMETER.match(text, position)) is not None:
        name, quoted, plain = match.groups()
        if name is not None:
            said = plain if quoted is None else _ESCAPED.sub(r"\1", quoted)
            found.setdefault(name.lower(), said)
        position = match.end()
    return first.strip().lower(), found

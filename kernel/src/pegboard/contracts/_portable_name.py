"""Names of any text as file names that every file system and object store keeps apart.

What is encoded holds only `a-z 0-9 . _ - ! =`, so that neither case folding nor Unicode normal
forms can make two names one, no name is reserved, hidden or too long, and none leaves its folder.
The encoding is reversible and each name has one encoding. Rules:

- lower case letters, digits, `_`, `-` and inner dots stand for themselves; `!a` is `A`;
- any other byte of the UTF-8 text is `=xx`; so is the first of a name that Windows reserves;
- nothing is `-`, and `-` alone is `=2d`;
- a name that would take more than 1.6 characters a byte this way is `==` and its base 32;
- what is longer than one file name may be goes on in a folder: `first=/-second`.
"""

from __future__ import annotations

import base64
import re
from functools import lru_cache

__all__ = ["decode_name", "encode_name"]

SEGMENT = 120
"""Characters of one file name; a store adds a few of its own, and some file systems end at 143."""

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_-.")
_EMPTY = "-"
_JOIN = "=/-"
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9]|lpt[0-9])(\.|$)", re.IGNORECASE)
_LEGIBLE = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_-])?")
_TOKEN = re.compile(r"=([0-9a-f]{2})|!([a-z])|([a-z0-9_.-])")


@lru_cache(maxsize=4096)
def encode_name(name: str) -> str:
    """Return the encoded name; above 120 characters it holds slashes.

    Raises:
        UnicodeEncodeError: If `name` is not text: it has half of a surrogate pair.
    """
    escaped = _escape(name)
    size = len(name.encode())
    if len(escaped) > len("==") + (size * 8 + 4) // 5:
        escaped = "==" + base64.b32encode(name.encode()).decode().rstrip("=").lower()
    return _split(escaped)


def decode_name(encoded: str) -> str | None:
    """Return the name that `encode_name` has encoded, None if it did not encode this."""
    try:
        name = _decode(encoded.replace(_JOIN, ""))
    except ValueError:
        return None
    return name if encode_name(name) == encoded else None


def _escape(name: str) -> str:
    if _LEGIBLE.fullmatch(name) and not _RESERVED.match(name):
        return name
    if name in {"", _EMPTY}:
        return _EMPTY if not name else "=2d"
    parts = [_escape_character(each) for each in name]
    if name[0] == "." or _RESERVED.match(name):
        parts[0] = _hex(name[0])
    if name[-1] == ".":
        parts[-1] = _hex(name[-1])
    return "".join(parts)


def _escape_character(character: str) -> str:
    if character in _PLAIN:
        return character
    if "A" <= character <= "Z":
        return "!" + character.lower()
    return _hex(character)


def _hex(character: str) -> str:
    return "".join(f"={byte:02x}" for byte in character.encode())


def _split(encoded: str) -> str:
    pieces = [encoded[start : start + SEGMENT] for start in range(0, len(encoded), SEGMENT)]
    return _JOIN.join(pieces)


def _decode(joined: str) -> str:
    if joined == _EMPTY:
        return ""
    if joined.startswith("=="):
        packed = joined[2:].upper()
        return base64.b32decode(packed + "=" * (-len(packed) % 8)).decode()
    tokens = list(_TOKEN.finditer(joined))
    if sum(len(each[0]) for each in tokens) != len(joined):
        msg = f"not an encoded name: {joined!r}"
        raise ValueError(msg)
    return b"".join(_byte(each) for each in tokens).decode()


def _byte(token: re.Match[str]) -> bytes:
    escaped, capital, plain = token.groups()
    if escaped is not None:
        return bytes.fromhex(escaped)
    return (capital.upper() if capital is not None else plain).encode()

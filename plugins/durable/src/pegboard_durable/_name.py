"""Any text as a name that no file system confuses with another. No I/O.

The encoding has nothing but lower-case letters, digits and `-_.=%+`, so that neither case folding
nor a Unicode normal form makes two names one:

- `a` to `z`, digits, `-`, `_` and `.` stand for themselves, an upper-case letter is `=` and the
  lower-case one, everything else is its UTF-8 bytes as `%` and two hexadecimal digits;
- a dot at the start or the end, and the first letter of a name that Windows reserves (`con`,
  `com1.txt`), are written with `%` too; the empty text is `%`;
- what is longer than `LONGEST_PART` becomes folders, each of whose names ends with `+` and
  continues with `+`.
"""

from __future__ import annotations

import re

__all__ = ["LONGEST_NAME", "LONGEST_PART", "decode_name", "encode_name"]

LONGEST_NAME = 1024  # characters of a text
LONGEST_PART = 120  # characters of one path component; some file systems end at 143

_EMPTY = "%"
_RESERVED = frozenset(
    {"con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(10)}
)
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_.")
_UPPER = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_TOKEN = re.compile(r"=[a-z]|(?:%[0-9a-f]{2})+|[a-z0-9_.-]")


def encode_name(text: str) -> str:
    """Return a relative path, one component unless it is long, that stands for `text` alone.

    The components are separated by `/`. A suffix may be added to the last one.

    Raises:
        ValueError: If the text is longer than 1,024 characters.
    """
    if len(text) > LONGEST_NAME:
        raise ValueError(f"a name has at most {LONGEST_NAME} characters; this one has {len(text)}")
    if not text:
        return _EMPTY
    return _split(_guarded("".join(map(_encoded, text))))


def decode_name(path: str) -> str:
    """Return the text that `encode_name` made `path` of.

    Raises:
        ValueError: If `encode_name` never makes such a path.
    """
    text = "" if path == _EMPTY else _decoded(path.replace("+/+", ""))
    if text is None or len(text) > LONGEST_NAME or encode_name(text) != path:
        raise ValueError(f"{path!r} is not the encoding of a name")
    return text


def _encoded(char: str) -> str:
    if char in _PLAIN:
        return char
    if char in _UPPER:
        return "=" + char.lower()
    return _escaped(char)


def _escaped(char: str) -> str:
    # a lone surrogate is how Python reads a file name that is not UTF-8
    return "".join(f"%{byte:02x}" for byte in char.encode("utf-8", "surrogatepass"))


def _guarded(name: str) -> str:
    if name[0] == "." or name.partition(".")[0] in _RESERVED:
        name = _escaped(name[0]) + name[1:]
    if name[-1] == ".":
        name = name[:-1] + _escaped(".")
    return name


def _split(name: str) -> str:
    if len(name) <= LONGEST_PART:
        return name
    size = LONGEST_PART - 2
    return "+/+".join(name[start : start + size] for start in range(0, len(name), size))


def _decoded(name: str) -> str | None:
    tokens = _TOKEN.findall(name)
    if not tokens or "".join(tokens) != name:
        return None
    try:
        return "".join(map(_text, tokens))
    except UnicodeDecodeError:
        return None


def _text(token: str) -> str:
    if token[0] == "=":
        return token[1].upper()
    if token[0] == "%":
        return bytes.fromhex(token.replace("%", "")).decode("utf-8", "surrogatepass")
    return token

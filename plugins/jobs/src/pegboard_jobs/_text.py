"""Text that every store can keep, whatever it was made of."""

from __future__ import annotations

__all__ = ["clean", "printable", "text_of"]


def clean(text: str) -> str:
    """Return a text with what UTF-8 or PostgreSQL cannot hold written as an escape.

    File names of Linux that are no UTF-8 come with lone surrogates; PostgreSQL keeps no NUL.
    """
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")


def printable(text: str) -> str:
    """Return a text for a terminal: control characters but line ends and tabs are escaped."""
    if text.isprintable():
        return text
    return "".join(map(_shown, text))


def _shown(letter: str) -> str:
    return letter if letter.isprintable() or letter in "\n\t" else ascii(letter)[1:-1]


def text_of(error: BaseException) -> str:
    """Return the text of an exception, also of one that cannot say it."""
    try:
        return clean(str(error))
    except Exception as failure:  # noqa: BLE001 - whatever `__str__` raises
        return f"(no text: {type(failure).__name__} in its __str__)"

"""Emphasis on a terminal that shows it, and plain text everywhere else."""

from __future__ import annotations

import os
from typing import TextIO

__all__ = ["Style"]


class Style:
    """Paints text.

    Args:
        is_on: Whether escape sequences are written.
    """

    def __init__(self, *, is_on: bool) -> None:
        self._is_on = is_on

    @classmethod
    def of(cls, stream: TextIO) -> Style:
        """Return the style for a stream: on for a terminal, unless NO_COLOR is set."""
        return cls(is_on=stream.isatty() and not os.environ.get("NO_COLOR"))

    def bold(self, text: str) -> str:
        """Return bold text."""
        return self._paint("1", text)

    def dim(self, text: str) -> str:
        """Return dimmed text."""
        return self._paint("2", text)

    def red(self, text: str) -> str:
        """Return red text."""
        return self._paint("31", text)

    def green(self, text: str) -> str:
        """Return green text."""
        return self._paint("32", text)

    def yellow(self, text: str) -> str:
        """Return yellow text."""
        return self._paint("33", text)

    def _paint(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._is_on else text

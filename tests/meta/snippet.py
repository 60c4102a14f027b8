"""The fenced blocks of a page, and the commands in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["Snippet", "commands", "matches", "snippets"]

_FENCE = re.compile(r"^```(\w+)(?: ([^\n]*))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Snippet(NamedTuple):
    """A fenced block: its language, what follows the language, its text."""

    language: str
    label: str
    text: str


def snippets(page: Path) -> list[Snippet]:
    return [Snippet(*found) for found in _FENCE.findall(page.read_text(encoding="utf-8"))]


def commands(snippet: Snippet) -> Iterator[tuple[str, str]]:
    """Yield each command of a block with the output that stands below it."""
    for part in re.split(r"^\$ ", snippet.text, flags=re.MULTILINE)[1:]:
        command, _, expected = part.replace("\\\n", "").partition("\n")
        yield command, expected


def matches(printed: str, expected: str) -> bool:
    """Whether something was printed as expected, `...` being any text."""
    pattern = re.escape(expected.strip()).replace(re.escape("..."), ".*")
    text = "\n".join(line.rstrip() for line in printed.strip().splitlines())
    return re.fullmatch(pattern, text, flags=re.DOTALL) is not None

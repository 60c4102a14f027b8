"""New code that was read while somebody was still writing it, which is dropped."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pegboard._build import Build

__all__ = ["Unfinished", "UnfinishedError", "refuse_halves"]

Unfinished = Callable[[Path], bool]


class UnfinishedError(Exception):
    """A source was read, or looked for, while somebody was writing it."""


def refuse_halves(build: Build, unfinished: Unfinished | None, paths: Iterable[Path]) -> None:
    """Make sure that all that was read is there to its end, and still what is there.

    Args:
        build: What was built.
        unfinished: Says whether a file is being written; None refuses nothing.
        paths: Further files that were to be read, or that were not there.

    Raises:
        UnfinishedError: If a source is being written, or was written since it was read.
    """
    if unfinished is None:
        return
    editions = build.fresh.values()
    sources = {path for each in editions for path in each.sources}
    if any(map(unfinished, sources.union(paths))) or any(each.differs() for each in editions):
        raise UnfinishedError

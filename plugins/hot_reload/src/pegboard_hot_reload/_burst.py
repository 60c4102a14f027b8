"""When is a change whole? Events and the time go in; how long to wait comes out. Does no I/O."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pegboard_hot_reload.config import HotReloadConfig

__all__ = ["Burst", "is_source"]

IGNORED = frozenset({"__pycache__", ".git", ".hg", ".mypy_cache", ".pytest_cache", ".ruff_cache"})
"""Names of folders in which nothing is code."""

PATIENCE = 1.0
"""Seconds that a file may stay unfinished before it is taken as it is."""

LOOK = 0.001
"""Seconds between two looks at a file that somebody is writing."""

LOOK_AT_TOOL = 0.02
"""Seconds between two looks at whether a tool still changes files."""


def is_source(path: Path) -> bool:
    """Whether a change of this path can change what is loaded.

    That is so for Python files, and for names without a suffix: folders that come, go or are
    links which lead somewhere else now.
    """
    if not IGNORED.isdisjoint(path.parts):
        return False
    return path.suffix == ".py" or "." not in path.name.lstrip(".")


class Burst(msgspec.Struct):
    """Events that belong together.

    Attributes:
        config: How long to wait for what.
        begun: Seconds of a monotonic clock at the first event.
        latest: The same at the last one.
        paths: What has changed.
    """

    config: HotReloadConfig
    begun: float
    latest: float
    paths: set[Path]

    def add(self, paths: Iterable[Path], now: float) -> None:
        """Take further events."""
        self.paths.update(paths)
        self.latest = now

    def wait(self, now: float, *, unfinished: bool, blocked: bool, gone: bool = False) -> float:
        """Return for how many seconds to wait before looking again; 0 if it is whole.

        Args:
            now: Seconds of the clock.
            unfinished: Whether one of the files is not written to its end.
            blocked: Whether a tool says that it is still changing files.
            gone: Whether a file with loaded code is not there, as between the two steps of a save
                that moves the old one away.
        """
        if now - self.begun >= self.config.longest_ms / 1000:
            return 0.0
        # What is put into a new folder at once may come without an event of its own.
        has_folder = any(path.suffix != ".py" for path in self.paths)
        if blocked or gone or has_folder or len(self.paths) >= self.config.burst_files:
            quiet = self.latest + self.config.quiet_ms / 1000 - now
            if blocked or quiet > 0:
                return max(quiet, LOOK_AT_TOOL)
        if unfinished and now - self.latest < PATIENCE:
            return LOOK
        return 0.0

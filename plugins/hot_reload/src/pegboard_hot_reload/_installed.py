"""Which distributions there are, and whether the last change of them is complete."""

from __future__ import annotations

import csv
import site
import sys
from collections.abc import Iterable
from pathlib import Path

import msgspec

__all__ = ["Installed", "add_paths", "is_installed", "site_folders"]


_NAMES = frozenset({"site-packages", "dist-packages"})
"""What folders of distributions are called."""


def site_folders() -> list[Path]:
    """Return the folders on the path that distributions are installed in."""
    folders = [Path(each) for each in sys.path]
    return [each for each in folders if each.name in _NAMES and each.is_dir()]


def is_installed(path: Path) -> bool:
    """Whether a file is part of an installation, which changes as a whole."""
    return not _NAMES.isdisjoint(path.parts)


class Installed(msgspec.Struct, frozen=True):
    """What is installed at one moment.

    Attributes:
        entries: Descriptions of distributions, and files that lead to editable ones, each with
            the time of its last change.
    """

    entries: frozenset[tuple[Path, int]]

    @classmethod
    def now(cls) -> Installed:
        """Look."""
        found = set()
        for folder in site_folders():
            for path in [*folder.glob("*.dist-info"), *folder.glob("*.pth")]:
                try:
                    found.add((path, path.stat().st_mtime_ns))
                except FileNotFoundError:
                    continue
        return cls(frozenset(found))

    def since(self, before: Installed) -> set[Path]:
        """Return what has come or changed since another moment."""
        return {path for path, _ in self.entries - before.entries}

    def is_whole(self, before: Installed) -> bool:
        """Whether each distribution that came or changed has all the files that it lists."""
        return all(
            _has_its_files(path) for path in self.since(before) if path.suffix == ".dist-info"
        )


def _has_its_files(info: Path) -> bool:
    try:
        with (info / "RECORD").open(newline="", encoding="utf-8") as lines:
            names = [row[0] for row in csv.reader(lines) if row]
    except OSError:
        return False
    return all((info.parent / name).exists() for name in names if not name.endswith(".pyc"))


def add_paths(links: Iterable[Path]) -> None:
    """Put on the path of this process what new `.pth` files name, as a start of Python would."""
    for path in links:
        if path.suffix == ".pth":
            site.addpackage(str(path.parent), path.name, None)

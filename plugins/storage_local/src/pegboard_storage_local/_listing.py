"""The keys below a folder, in the order of their paths, from a cursor on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pegboard.contracts.storage import FileKey, KeyPage, KeyRange
from pegboard.errors import InputError

__all__ = ["listed"]

_Parts = tuple[str, ...]


def listed(folder: Path, within: KeyRange, *, cursor: str, limit: int) -> KeyPage:
    """Return up to `limit` keys of a range that come after the cursor.

    Raises:
        InputError: If the cursor is no path of a key.
        OSError: If a folder cannot be read.
    """
    if cursor and FileKey.from_path(cursor) is None:
        raise InputError("this is no cursor of a listing")
    after = _parts(cursor)
    found: list[FileKey] = []
    start = _parts(within.path.rstrip("/"))
    for parts in _walk(folder, start, after):
        key = FileKey.from_path("/".join(parts))
        if key is None or key not in within:
            continue
        if len(found) == limit:
            return KeyPage(keys=tuple(found), cursor=found[-1].path)
        found.append(key)
    return KeyPage(keys=tuple(found))


def _walk(folder: Path, parts: _Parts, after: _Parts) -> Iterator[_Parts]:
    """Yield the paths of plain files below `parts` that come after `after`; follow no link."""
    for name, is_folder in _entries(folder.joinpath(*parts)):
        path = (*parts, name)
        if is_folder:
            if path >= after[: len(path)]:
                yield from _walk(folder, path, after)
        elif path > after:
            yield path


def _entries(folder: Path) -> list[tuple[str, bool]]:
    try:
        with os.scandir(folder) as entries:
            found = [(each.name, each.is_dir(follow_symlinks=False), each) for each in entries]
    except (FileNotFoundError, NotADirectoryError):
        return []
    plain = [
        (name, is_folder)
        for name, is_folder, entry in found
        if is_folder or entry.is_file(follow_symlinks=False)
    ]
    return sorted(plain)


def _parts(path: str) -> _Parts:
    return tuple(path.split("/")) if path else ()

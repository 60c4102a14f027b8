"""The keys below a folder, in the order of their paths, from a cursor on."""

from __future__ import annotations

from collections.abc import Iterator

from pegboard.contracts.storage import FileKey, KeyPage, KeyRange
from pegboard.errors import InputError
from pegboard_durable import Item, OutsideRootError, Root

__all__ = ["listed"]

_Parts = tuple[str, ...]


def listed(root: Root | None, within: KeyRange, *, cursor: str, limit: int) -> KeyPage:
    """Return up to `limit` keys of a range that come after the cursor; none without a root.

    Raises:
        InputError: If the cursor is no path of a key.
        OSError: If a folder cannot be read.
    """
    if cursor and FileKey.from_path(cursor) is None:
        raise InputError("this is no cursor of a listing")
    if root is None:
        return KeyPage(keys=())
    after = _parts(cursor)
    found: list[FileKey] = []
    start = _parts(within.path.rstrip("/"))
    for parts in _walk(root, start, after):
        key = FileKey.from_path("/".join(parts))
        if key is None or key not in within:
            continue
        if len(found) == limit:
            return KeyPage(keys=tuple(found), cursor=found[-1].path)
        found.append(key)
    return KeyPage(keys=tuple(found))


def _walk(root: Root, parts: _Parts, after: _Parts) -> Iterator[_Parts]:
    """Yield the paths of plain files below `parts` that come after `after`; follow no link."""
    for item in _items(root, parts):
        path = _parts(item.path)
        if item.is_folder:
            if path >= after[: len(path)]:
                yield from _walk(root, path, after)
        elif item.is_file and path > after:
            yield path


def _items(root: Root, parts: _Parts) -> list[Item]:
    try:
        return root.scan("/".join(parts))
    except (FileNotFoundError, NotADirectoryError, OutsideRootError):
        return []  # nothing, or somebody has put something else in its place


def _parts(path: str) -> _Parts:
    return tuple(path.split("/")) if path else ()

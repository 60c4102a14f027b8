"""Takes away entries, and then the contents that no entry names any more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack

from pegboard_files._archive import Archive
from pegboard_files._error import translated
from pegboard_files._record import Drop, EntryRecord, Meta, ObjectRecord, pack
from pegboard_files._segment import Damage, Found, scan
from pegboard_files._session import Session

__all__ = ["compact", "drop"]

WORTH = 0.25  # share of a segment that has to be unused for it to be written anew
_STEP = 8 * 1024 * 1024  # bytes that are copied at once

References = Callable[[Session, bytes, int, bytes], Iterable[bytes]]
"""Given key, number and content of an entry, returns the ids that it names."""


def drop(archive: Archive, key: bytes, numbers: Sequence[int]) -> None:
    """Take entries away; what only they named goes when the archive is compacted.

    Raises:
        WriteError: If the folder cannot be written.
    """
    with translated(), archive.using(), archive.appending():
        meta = Drop(key=key, numbers=list(numbers), last=archive.index.last_number(key))
        archive.append([(meta, pack(meta))])


def compact(archive: Archive, references: References) -> int:
    """Remove what no entry names any more, and return by how many bytes the archive is smaller.

    It waits until nobody uses the archive, and others wait for it. A segment is copied, without
    what is unused, to the end of the archive, and removed when the copy is on the device. Each part
    of it is on the device before the index leads there.

    Raises:
        DamagedError: If the list of contents of an entry cannot be read; nothing is removed then.
        WriteError: If the folder cannot be written.
    """
    with translated(), archive.using(shared=False), ExitStack() as stack:
        before = _size(archive)
        live = _live(archive, Session(archive, stack), references)
        for number in _wasteful(archive, live):
            _rewrite(archive, number, live)
        return before - _size(archive)


def _size(archive: Archive) -> int:
    return sum(archive.segments.size(number) or 0 for number in archive.segments.numbers())


def _live(archive: Archive, session: Session, references: References) -> set[bytes]:
    live: set[bytes] = set()
    for key, number, content in archive.index.every_entry():
        live.update(references(session, key, number, content))
    bases = {base for name, base in archive.index.bases() if name in live}
    return live | bases


def _wasteful(archive: Archive, live: set[bytes]) -> list[int]:
    found = []
    for number, position in archive.index.positions().items():
        objects = archive.index.objects_in(number)
        used = sum(size for name, size in objects if name in live)
        used += archive.index.size_of_entries_in(number)
        if used < position.scanned * (1 - WORTH):
            found.append(number)
    return found


def _rewrite(archive: Archive, number: int, live: set[bytes]) -> None:
    with archive.appending():
        with archive.segments.open(number) as file:
            archive.index.seal(number)
            batch: list[tuple[Meta, bytes]] = []
            size = 0
            for found in scan(file, number):
                if isinstance(found, Damage) or not _is_live(archive, number, found, live):
                    continue
                file.seek(found.offset)
                batch.append((found.meta, file.read(found.size)))
                size += found.size
                if size > _STEP:
                    archive.append(batch)
                    batch, size = [], 0
            if batch:
                archive.append(batch)
        archive.index.remove_segment(number)
        archive.segments.remove(number)


def _is_live(archive: Archive, number: int, found: Found, live: set[bytes]) -> bool:
    meta = found.meta
    if isinstance(meta, ObjectRecord):
        place = archive.index.find(meta.id)
        is_here = place is not None and (place.segment, place.start) == (number, found.offset)
        return is_here and meta.id in live
    if isinstance(meta, EntryRecord):
        return archive.index.entry(meta.key, meta.number) is not None
    return True

"""Contents kept once each, and entries that name them: appended, never changed.

The segments are the truth. The index says where in them everything lies and can be made anew; what
it has not seen yet, because another process wrote it or this one died, it catches up with.

Invariants:
- An entry is appended after the objects that it names, and acknowledged when all of it is synced.
- The index leads to nothing that is not synced.
- Appends hold the lock `append`. Whoever may still name an object holds the lock `use`, shared;
  removing objects holds it alone.
- What follows damage at the end of a segment goes to a new segment, so nothing is ever overwritten.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

import msgspec

from pegboard_database import CorruptError
from pegboard_durable import Root
from pegboard_files._digest import digest_of
from pegboard_files._error import translated
from pegboard_files._index import Index
from pegboard_files._latch import latched
from pegboard_files._record import Meta
from pegboard_files._seal import Seal
from pegboard_files._segment import Damage, Found, Segments, scan

__all__ = ["PATIENCE", "Archive", "ArchiveStatistics"]

SEGMENT_SIZE = 64 * 1024 * 1024  # bytes
PATIENCE = 60.0  # seconds: an append takes milliseconds, a compaction may take a minute
_INDEX_STEP = 2_000  # records that the index takes in at once

_logger = logging.getLogger("pegboard.files")


class ArchiveStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What an archive holds.

    Attributes:
        segments: Files.
        size: Bytes of these.
        objects: Contents.
        entries: Entries that are there.
    """

    segments: int
    size: int
    objects: int
    entries: int


class Archive:
    """A folder of segments and their index; threads and processes may share it.

    Args:
        folder: Made if it is missing.
        seal: Encrypts contents and entries.
        segment_size: Bytes above which a new segment is begun.
        patience: Seconds to wait for others that use the archive.

    Attributes:
        segments: The files.
        index: Where in them everything lies.
        seal: The same.

    Raises:
        WriteError: If the folder cannot be made.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        seal: Seal | None = None,
        segment_size: int = SEGMENT_SIZE,
        patience: float = PATIENCE,
    ) -> None:
        with translated():
            self._folder = Root(folder, folder_mode=0o700).path
        self.seal = seal
        self.segments = Segments(self._folder)
        self.index = Index(self._folder / "index.db")
        self._segment_size = segment_size
        self._patience = patience

    def close(self) -> None:
        """Close the index."""
        self.index.close()

    def key(self, text: str) -> bytes:
        """Return the key that entries of `text` have."""
        return self.id_of(text.encode("utf-8", "surrogatepass"))

    def id_of(self, content: bytes) -> bytes:
        """Return the id of a content."""
        return digest_of(content, None if self.seal is None else self.seal.id_key)

    @contextmanager
    def using(self, *, shared: bool = True) -> Iterator[None]:
        """Hold the lock `use`, with an index that knows all that is there.

        Raises:
            LockedError: If others held it for too long.
            OSError: If the folder cannot be read or written.
        """
        with self._latch("use", shared=shared):
            self._open_index()
            if not self._is_current():
                with self.appending():
                    pass
            yield

    @contextmanager
    def appending(self) -> Iterator[None]:
        """Hold the lock `append`, with an index that knows all that is there.

        Raises:
            LockedError: If others held it for too long.
            OSError: If the folder cannot be read or written.
        """
        with self._latch("append"):
            if not self._is_current():
                self._catch_up()
            yield

    def append(self, records: Sequence[tuple[Meta, bytes]]) -> None:
        """Append packed records and take them into the index; the lock `append` is held.

        The index learns of them when they are on the device: after a power cut it leads nowhere
        else, and what it knows need not be kept again.

        Args:
            records: What each says, and its bytes.

        Raises:
            OSError: If they cannot be written; none of them is acknowledged then.
        """
        data = b"".join(packed for _, packed in records)
        number, offset = self._room_for(len(data))
        self.segments.append(number, offset, data)
        self.index.add(number, _found(records, offset), scanned=offset + len(data))

    def rebuild(self) -> None:
        """Make the index anew from the segments.

        Raises:
            WriteError: If the folder cannot be read or written.
        """
        with translated(), self._latch("use"), self._latch("append"):
            self.index.forget()
            self._catch_up()

    def verify(self, see: Callable[[int, int], None] | None = None) -> list[Damage]:
        """Check every record of every segment and return what is damaged.

        Args:
            see: Called with the bytes that are done and those that there are.

        Raises:
            WriteError: If the folder cannot be read.
        """
        with translated(), self.using():
            with self.appending():  # what is appended from now on is not whole yet
                sizes = {each.number: each.scanned for each in self.index.positions().values()}
            total, before = sum(sizes.values()), 0
            damages: list[Damage] = []
            for number, size in sizes.items():
                with self.segments.open(number) as file:
                    for found in scan(file, number, end=size):
                        if isinstance(found, Damage):
                            damages.append(found)
                        if see is not None:
                            see(before + found.offset + found.size, total)
                before += size
            return damages

    def damaged(self) -> list[str]:
        """Check every record and say in words what is damaged, and how many entries are lost.

        Raises:
            WriteError: If the folder cannot be read.
        """
        found = [
            f"{self.segments.path(each.segment).name}, byte {each.offset}:"
            f" {each.size} bytes are damaged"
            for each in self.verify()
        ]
        lost = self.index.lost_entries()
        if lost:
            found.append(f"{lost} entries that were kept are gone: put their segments back")
        return found

    def statistics(self) -> ArchiveStatistics:
        """Return what is held.

        Raises:
            WriteError: If the folder cannot be read.
        """
        with translated(), self.using():
            sizes = [self.segments.size(number) or 0 for number in self._numbers()]
            objects, entries = self.index.counts()
            return ArchiveStatistics(
                segments=len(sizes), size=sum(sizes), objects=objects, entries=entries
            )

    def _numbers(self) -> list[int]:
        return self.segments.numbers()

    def _latch(self, name: str, *, shared: bool = False) -> AbstractContextManager[None]:
        path = self._folder / f"{name}.lock"
        return latched(path, shared=shared, timeout=self._patience)

    def _open_index(self) -> None:
        try:
            self.index.open()
        except CorruptError:
            _logger.warning("the index in %s is damaged and is made anew", self._folder)
            with self._latch("append"):
                self.index.forget()

    def _is_current(self) -> bool:
        last = self.index.last_position()
        if last is None:
            return not self._numbers()
        following = self.segments.size(last.number + 1)
        return following is None and self.segments.size(last.number) == last.scanned

    def _catch_up(self) -> None:
        known = self.index.positions()
        sizes = {number: self.segments.size(number) or 0 for number in self._numbers()}
        lost = [each for each in known if sizes.get(each, -1) < known[each].scanned]
        if lost:
            # What the index knows there may lie elsewhere as well: only the segments say where.
            names = ", ".join(self.segments.path(each).name for each in lost)
            _logger.error("%s in %s: missing or cut off; all is read again", names, self._folder)
            self.index.clear()
            known = {}
        for number, size in sizes.items():
            start = known[number].scanned if number in known else 0
            if size != start or number not in known:
                self._read_in(number, start)

    def _read_in(self, number: int, start: int) -> None:
        batch: list[Found] = []
        end, is_damaged = start, False
        self.segments.sync(number)  # whoever wrote it may have died before it did so
        with self.segments.open(number) as file:
            for found in scan(file, number, start):
                end = found.offset + found.size
                if isinstance(found, Damage):
                    is_damaged = True
                    _logger.warning("%s is damaged at byte %d", file.name, found.offset)
                    continue
                is_damaged = False
                batch.append(found)
                if len(batch) == _INDEX_STEP:
                    self.index.add(number, batch, scanned=end)
                    batch.clear()
        self.index.add(number, batch, scanned=end, is_sealed=is_damaged)

    def _room_for(self, size: int) -> tuple[int, int]:
        last = self.index.last_position()
        if last is None:
            return 1, 0
        if last.is_sealed or (last.scanned and last.scanned + size > self._segment_size):
            return last.number + 1, 0
        return last.number, last.scanned


def _found(records: Sequence[tuple[Meta, bytes]], offset: int) -> list[Found]:
    found = []
    for meta, packed in records:
        found.append(Found(offset=offset, size=len(packed), meta=meta))
        offset += len(packed)
    return found

"""The files that an archive is made of: records one after the other, never changed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import msgspec

from pegboard_durable import translated
from pegboard_files._digest import check_of
from pegboard_files._error import DamagedError
from pegboard_files._record import HEAD_SIZE, MAGIC, Head, Meta, unpack_head, unpack_meta

__all__ = ["Damage", "Found", "Segments", "read_record", "scan"]

_NAME = re.compile(r"(\d{8})\.pack")
_STEP = 1024 * 1024  # bytes that are looked through at once for what follows damage


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A record where it lies.

    Attributes:
        offset: Where it begins.
        size: Bytes of the whole record.
        meta: What it says.
    """

    offset: int
    size: int
    meta: Meta


class Damage(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes that are no record.

    Attributes:
        segment: Number of the file.
        offset: Where they begin.
        size: How many.
        meta: What the record says, if only its body is damaged.
    """

    segment: int
    offset: int
    size: int
    meta: Meta | None = None


class Segments:
    """The numbered files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, number: int) -> Path:
        """Return where a segment lies."""
        return self.folder / f"{number:08}.pack"

    def numbers(self) -> list[int]:
        """Return which there are, in order.

        Raises:
            OSError: If the folder cannot be read.
        """
        found = (_NAME.fullmatch(path.name) for path in self.folder.iterdir())
        return sorted(int(match[1]) for match in found if match)

    def size(self, number: int) -> int | None:
        """Return the bytes of a segment, None where there is none.

        Raises:
            OSError: If that cannot be found out.
        """
        try:
            return self.path(number).stat().st_size
        except FileNotFoundError:
            return None

    def open(self, number: int) -> BinaryIO:
        """Open a segment for reading.

        Raises:
            DamagedError: If it is missing.
            OSError: If it cannot be read.
        """
        try:
            return self.path(number).open("rb")
        except FileNotFoundError as error:
            msg = f"{self.path(number)} is missing; put it back, or verify to see what is lost"
            raise DamagedError(msg) from error

    def append(self, number: int, offset: int, data: bytes) -> None:
        """Add to the end of a segment, which is at `offset`; at 0, begin it.

        It is on the device when this returns.

        Raises:
            OSError: If that is not possible; what was written of it is taken back, if it can be.
        """
        path = self.path(number)
        with translated("write", str(path), effect="what was kept before is unchanged"):
            if not offset:
                self._begin(number)
            fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            try:
                _write(fd, data, offset)
                os.fsync(fd)
            finally:
                os.close(fd)

    def sync(self, number: int) -> None:
        """Return when all of a segment is on the device.

        Raises:
            OSError: If the device does not take it.
        """
        with translated("sync", str(self.path(number))):
            _sync(self.path(number))

    def _begin(self, number: int) -> None:
        self.path(number).touch(mode=0o600)
        _sync(self.folder)

    def remove(self, number: int) -> None:
        """Remove a segment.

        Raises:
            OSError: If it cannot be removed.
        """
        self.path(number).unlink(missing_ok=True)


def read_record(file: BinaryIO, offset: int, size: int) -> tuple[Meta, bytes] | None:
    """Return what a record says, and its body; None if no whole record of that size is there.

    Raises:
        OSError: If the file cannot be read.
    """
    data = os.pread(file.fileno(), size, offset)
    head = unpack_head(data)
    if head is not None and head.size == size == len(data):
        body = data[HEAD_SIZE + head.meta_size :]
        meta = unpack_meta(head, data[HEAD_SIZE : HEAD_SIZE + head.meta_size])
        if meta is not None and check_of(body) == head.body_check:
            return meta, body
    return None


def scan(
    file: BinaryIO, number: int, start: int = 0, *, end: int | None = None
) -> Iterator[Found | Damage]:
    """Yield every record from `start` on, in order, and what lies between them.

    Args:
        file: The segment.
        number: Its number.
        start: Where to begin.
        end: Where to end; None for the end of the file.

    Raises:
        OSError: If the file cannot be read.
    """
    end = os.fstat(file.fileno()).st_size if end is None else end
    offset = start
    while offset < end:
        found = _record_at(file, number, offset, end)
        if found is None:
            following = _next_record(file, offset + 1, end)
            yield Damage(segment=number, offset=offset, size=following - offset)
            offset = following
        else:
            yield found
            offset += found.size


def _record_at(file: BinaryIO, number: int, offset: int, end: int) -> Found | Damage | None:
    head = unpack_head(os.pread(file.fileno(), HEAD_SIZE, offset))
    meta = None if head is None else _meta_at(file, head, offset, end)
    if head is None or meta is None:
        return None
    body = os.pread(file.fileno(), head.body_size, offset + HEAD_SIZE + head.meta_size)
    if check_of(body) != head.body_check:
        return Damage(segment=number, offset=offset, size=head.size, meta=meta)
    return Found(offset=offset, size=head.size, meta=meta)


def _meta_at(file: BinaryIO, head: Head, offset: int, end: int) -> Meta | None:
    if offset + head.size > end:
        return None
    return unpack_meta(head, os.pread(file.fileno(), head.meta_size, offset + HEAD_SIZE))


def _next_record(file: BinaryIO, offset: int, end: int) -> int:
    while offset < end:
        data = os.pread(file.fileno(), _STEP, offset)
        at = data.find(MAGIC)
        while at >= 0:
            head = unpack_head(os.pread(file.fileno(), HEAD_SIZE, offset + at))
            if head is not None and _meta_at(file, head, offset + at, end) is not None:
                return offset + at
            at = data.find(MAGIC, at + 1)
        offset += max(len(data) - len(MAGIC) + 1, 1)
    return end


def _write(fd: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(fd, view) :]
    except OSError:
        # A record that is not whole is seen as damage, so nothing depends on this.
        with suppress(OSError):
            os.ftruncate(fd, offset)
        raise


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)

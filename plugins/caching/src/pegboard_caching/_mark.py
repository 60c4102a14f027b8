"""Marks: how processes that keep answers in memory hear what was invalidated in another one.

A file that all of them map into memory holds one number for each of many *slots*. What can be
invalidated (an export, one call, a tag, everything) has a slot by its name; to invalidate it is to
give that slot another number. An answer remembers the numbers of its slots from before it was
begun, and is not given once one of them has changed. Names may share a slot, which only forgets too
much.

The first slot changes whenever any other does, so that mostly one comparison is enough.
"""

from __future__ import annotations

import logging
import mmap
import os
import secrets
from collections.abc import Iterable
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

import msgspec

from pegboard.errors import UnavailableError

if TYPE_CHECKING:
    from pegboard_caching._key import Key

__all__ = ["Marks", "Taken", "call_name", "export_name", "tag_name"]

SLOTS = 4096
WIDTH = 8  # bytes of a number
SIZE = SLOTS * WIDTH
ANY = 0  # the slot that changes with every other

EVERYTHING = "all"

_logger = logging.getLogger("pegboard.caching")


class Taken(msgspec.Struct):
    """The numbers that an answer depends on.

    Attributes:
        any: That of the first slot, when the others were last compared.
        slots: Number of each slot.
    """

    any: int
    slots: tuple[tuple[int, int], ...]


class Marks:
    """The marks of a project, shared by its processes on one machine.

    Args:
        path: The file, made for its owner only at the first use. Where it cannot be made, what is
            invalidated reaches this process alone, and a warning says so.

    Attributes:
        path: The same.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: FileIO | None = None
        self._opened: memoryview[int] | None = None

    def take(self, names: Iterable[str]) -> Taken:
        """Return what an answer depends on that is begun now."""
        numbers = self._numbers
        seen = numbers[ANY]  # first: what changes after it is looked for
        slots = {_slot(each) for each in (EVERYTHING, *names)}
        return Taken(seen, tuple((slot, numbers[slot]) for slot in slots))

    def hold(self, taken: Taken) -> bool:
        """Whether nothing of it was invalidated since."""
        numbers = self._numbers
        seen = numbers[ANY]
        if seen == taken.any:
            return True
        if any(numbers[slot] != number for slot, number in taken.slots):
            return False
        taken.any = seen
        return True

    def change(self, name: str = EVERYTHING) -> None:
        """Invalidate what has a name, in all processes; everything without one.

        Raises:
            UnavailableError: If the other processes cannot be told.
        """
        numbers = self._numbers
        for slot in (_slot(name), ANY):  # in this order: who sees the second sees the first
            number = secrets.token_bytes(WIDTH)  # another one, whatever two processes do at once
            if self._file is None:
                numbers[slot] = int.from_bytes(number)
            else:
                self._write(self._file, slot, number)

    def close(self) -> None:
        """Close the file; calling it again does nothing."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._opened = None

    @property
    def _numbers(self) -> memoryview[int]:
        if self._opened is None:
            self._opened = memoryview(self._map()).cast("Q")
        return self._opened

    def _map(self) -> mmap.mmap | bytearray:
        try:
            self._file = _open(self.path)
            # Read only, and written as a file: on a full disk that is an error and not a death.
            return mmap.mmap(self._file.fileno(), SIZE, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:  # the second for a file that is too short
            message = "%s cannot be used (%s): what is invalidated is so in this process only"
            _logger.warning(message, self.path, error)
            self.close()
            return bytearray(SIZE)

    def _write(self, file: FileIO, slot: int, number: bytes) -> None:
        try:
            file.seek(slot * WIDTH)
            file.write(number)
        except OSError as error:
            msg = f"{self.path} cannot be written: other processes keep what was invalidated"
            raise UnavailableError(msg) from error


def export_name(address: str) -> str:
    """Return the name of all answers of an export."""
    return f"export {address}"


def call_name(address: str, key: Key) -> str:
    """Return the name of the answer to one call, the same in every process."""
    return f"call {address} {key[0].hex()} {key[-1] if isinstance(key[-1], str) else ''}"


def tag_name(tag: str) -> str:
    """Return the name of all answers with a tag."""
    return f"tag {tag}"


def _slot(name: str) -> int:
    return 1 + crc32(name.encode("utf-8", "surrogatepass")) % (SLOTS - 1)


def _open(path: Path) -> FileIO:
    if not path.exists():
        _make(path)
    return FileIO(os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0)), "r+")


def _make(path: Path) -> None:
    """Make the file, whole from its first moment on; another process may be faster."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
    new.touch(mode=0o600)
    try:
        new.write_bytes(bytes(SIZE))
        with suppress(FileExistsError):
            os.link(new, path)
    finally:
        new.unlink()

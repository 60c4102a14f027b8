"""What Linux tells at once: a file was closed after writing, or moved to its place.

watchfiles looks for events every few milliseconds, which would be a good part of the time until
new code serves. This is only to be sooner: what it does not know of (other systems, new folders,
volumes that are looked at again and again) watchfiles does.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

import anyio

__all__ = ["Closings"]

_Mark = tuple[int, int, int]

IN_CLOSE_WRITE, IN_MOVED_TO = 0x08, 0x80  # linux/inotify.h

_HEAD = struct.Struct("iIII")
"""Number of the watch, what happened, a cookie, bytes of the name that follows; see inotify(7)."""

_BYTES = 65_536

MOST_HEARD = 1_000
"""Files of which it is remembered how they were when they were heard of."""


class Closings:
    """Listens to folders, not to those below them.

    Raises:
        OSError: If the system gives no descriptor for it, or is not Linux.
    """

    def __init__(self) -> None:
        if sys.platform != "linux":
            msg = "only Linux has inotify"
            raise OSError(msg)
        self._system = ctypes.CDLL(None, use_errno=True)
        self._folders: dict[int, Path] = {}
        self._heard: dict[Path, _Mark] = {}
        self._descriptor: int = self._system.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "inotify is not to be had")

    def add(self, folders: Iterable[Path]) -> None:
        """Listen to folders as well; one that is not there, or one too many, is left out."""
        for folder in folders:
            number = self._system.inotify_add_watch(
                self._descriptor, os.fsencode(folder), IN_CLOSE_WRITE | IN_MOVED_TO
            )
            if number >= 0:
                self._folders[number] = folder

    async def next(self) -> set[Path]:
        """Wait for files that were closed or moved, and return them."""
        await anyio.wait_readable(self._descriptor)
        try:
            events = os.read(self._descriptor, _BYTES)
        except BlockingIOError:
            return set()
        found, position = set(), 0
        while position < len(events):
            number, _, _, size = _HEAD.unpack_from(events, position)
            position += _HEAD.size + size
            name = events[position - size : position].rstrip(b"\0")
            if number in self._folders and name:
                found.add(self._folders[number] / os.fsdecode(name))
        self._remember(found)
        return found

    def _remember(self, paths: Iterable[Path]) -> None:
        if len(self._heard) > MOST_HEARD:
            self._heard.clear()
        for path in paths:
            mark = _mark(path)
            if mark is not None:
                self._heard[path] = mark

    def has_told(self, path: Path) -> bool:
        """Whether a file is as it was when `next` returned it, so that it is no news."""
        return path in self._heard and self._heard[path] == _mark(path)

    def close(self) -> None:
        """Listen no more; nobody may be waiting."""
        os.close(self._descriptor)


def _mark(path: Path) -> _Mark | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino

"""The file of one lock, opened once for each of its holders, and the gate before it.

Whoever wants the lock takes the gate first and keeps it until the lock is theirs. So there is one
who is next, and nobody who comes later, reader or writer, overtakes. Before the gate, processes
wait in the order in which they came; those of one process wait in a line of their own.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import NamedTuple

from pegboard.contracts.lock import LockHolder
from pegboard_locking._flock import try_lock, unlock
from pegboard_locking._gate import open_gate
from pegboard_locking._record import SLOT, SLOTS, free_slot, holders, name_in, slot

__all__ = ["GATE", "SUFFIX", "LockFile", "View", "peek"]

SUFFIX = ".lock"
GATE = ".gate"

_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
_TELLS = hasattr(os, "pread")  # where not, a lock keeps others from reading as well


class LockFile:
    """One opening of a lock's file and of its gate: what one holder needs.

    Args:
        path: Where the file is, without suffix; it is made where it is missing.
    """

    __slots__ = ("_gate", "_main", "_path", "_slot", "is_open", "path", "since")

    def __init__(self, path: str) -> None:
        self.path = path
        self._path = path + SUFFIX
        self.since = 0.0
        self._slot: int | None = None
        self._gate = open_gate(path + GATE)
        try:
            self._main = os.open(self._path, _FLAGS, 0o600)
        except BaseException:
            self._gate.close()
            raise
        self.is_open = True

    def try_gate(self) -> bool:
        """Become the one who is next; False if somebody else is, and then be in line for it."""
        return self._gate.try_enter()

    def leave_gate(self) -> None:
        """Let somebody else be next."""
        self._gate.leave()

    def try_main(self, *, shared: bool) -> bool:
        """Take the lock; False if somebody else has it."""
        return try_lock(self._main, shared=shared)

    def try_all(self, name: str, *, shared: bool) -> bool:
        """Take the lock if nobody has it and nobody waits for it."""
        if not self._gate.try_alone():
            return False
        try:
            if not try_lock(self._main, shared=shared):
                return False
            if self.is_current():
                self.tell(name, shared=shared)
                return True
            unlock(self._main)
            return False
        finally:
            self._gate.leave()

    def is_current(self) -> bool:
        """Whether the file is still the one of that name: a lock on a removed one holds nobody."""
        try:
            there = os.stat(self._path)  # noqa: PTH116 - a third of the time of Path.stat
        except FileNotFoundError:
            return False
        here = os.fstat(self._main)
        return here.st_ino == there.st_ino and here.st_dev == there.st_dev

    def tell(self, name: str, *, shared: bool) -> None:
        """Write down who holds the lock; to be called at the gate."""
        self.since = time.time()
        if not _TELLS:
            return
        data = slot(name, shared=shared, since=self.since)
        if shared:
            self._slot = free_slot(os.pread(self._main, SLOT * (SLOTS + 1), 0))
        else:
            self._slot = 0
            if os.fstat(self._main).st_size > SLOT:  # of readers that were killed
                os.ftruncate(self._main, SLOT)
        if self._slot is not None:
            os.pwrite(self._main, data, self._slot * SLOT)

    def release(self) -> None:
        """Give the lock back."""
        try:
            if self._slot is not None:
                os.pwrite(self._main, b"-", self._slot * SLOT)
                self._slot = None
        finally:
            unlock(self._main)

    def remove(self) -> None:
        """Remove the file; to be called by who is at the gate and has the lock exclusively."""
        for path in (self.path + GATE, self._path):
            Path(path).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file, which ends what was locked; calling it again does nothing."""
        if self.is_open:
            self.is_open = False
            os.close(self._main)
            self._gate.close()


class View(NamedTuple):
    """What can be seen of a lock from outside.

    Attributes:
        is_held: Whether anybody holds it.
        name: Beginning of its name.
        holders: Those who hold it, as far as they can be told.
    """

    is_held: bool
    name: str
    holders: list[LockHolder]


def peek(path: str) -> View:
    """Look at a lock, without waiting for anyone."""
    try:
        descriptor = os.open(path + SUFFIX, os.O_RDWR)
    except FileNotFoundError:
        return View(is_held=False, name="", holders=[])
    try:
        is_exclusive = not try_lock(descriptor, shared=_TELLS)
        content = os.pread(descriptor, SLOT * (SLOTS + 1), 0) if _TELLS else b""
        found = [each for each in holders(content) if each.shared is not is_exclusive]
        is_held = is_exclusive or bool(found)
        if not is_held and len(content) >= SLOT * SLOTS:  # there may be more than can be told
            is_held = not try_lock(descriptor, shared=False)
    finally:
        os.close(descriptor)
    return View(is_held, name_in(content), found)

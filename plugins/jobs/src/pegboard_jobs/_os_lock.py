"""A lock on a file that the operating system releases when the process ends."""

from __future__ import annotations

import fcntl
import os
import weakref
from pathlib import Path
from typing import Self

__all__ = ["OsLock"]


class OsLock:
    """A held lock. It ends with the process, not with that of a forked child."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        _held.add(self)

    @classmethod
    def acquire(cls, path: Path) -> Self:
        """Make the file and lock it.

        Raises:
            OSError: If that is not possible, or somebody else holds it.
        """
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BaseException:
            os.close(descriptor)
            raise
        return cls(descriptor)

    @staticmethod
    def is_held(path: Path) -> bool:
        """Whether somebody holds the lock; a missing file is held by nobody."""
        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        else:
            return False
        finally:
            os.close(descriptor)

    def release(self) -> None:
        """Release the lock; calling it again does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


_held: weakref.WeakSet[OsLock] = weakref.WeakSet()


def _forget_all() -> None:
    """In a forked child: the lock is the parent's, and must end with it."""
    for lock in list(_held):
        lock.release()


os.register_at_fork(after_in_child=_forget_all)

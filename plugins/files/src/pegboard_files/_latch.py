"""Excludes other threads and processes for the moment of an append, by locks that die with them."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pegboard_locking import LockedError

__all__ = ["latched"]

FIRST_PAUSE = 0.0005  # seconds between two looks, at first
LAST_PAUSE = 0.05  # and at most


@contextmanager
def latched(path: Path, *, shared: bool = False, timeout: float) -> Iterator[None]:
    """Hold the lock of a file while the block runs.

    Each use opens the file anew, so that threads of one process exclude one another as well.

    Raises:
        LockedError: If others held it for all of the timeout.
        OSError: If the file cannot be opened or locked.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _wait(fd, path, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, timeout)
        yield
    finally:
        os.close(fd)


def _wait(fd: int, path: Path, kind: int, timeout: float) -> None:
    pause, end = FIRST_PAUSE, time.monotonic() + timeout
    while not _try(fd, kind):
        if time.monotonic() > end:
            msg = f"{path.parent} is used by somebody else; gave up after {timeout:g} s"
            raise LockedError(msg)
        time.sleep(pause)
        pause = min(pause * 1.5, LAST_PAUSE)


def _try(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

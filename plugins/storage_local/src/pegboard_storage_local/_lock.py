"""A lock beside a file: one holder among all threads and processes, gone with its holder.

A lock on the file itself would go with the old content when that is replaced. The lock file may be
removed by its holder, and only by it: whoever gets hold of a lock file that is removed sees that
nothing leads to it any more, and begins anew.
"""

from __future__ import annotations

import errno
import os
import random
import sys
import time
from types import TracebackType
from typing import Self

from pegboard.errors import UnavailableError
from pegboard_durable import Place

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["Lock"]

FIRST_PAUSE = 0.0002
LAST_PAUSE = 0.01

_HELD = frozenset({errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK})


class Lock:
    """Holds a lock file from its making until its block ends.

    Args:
        place: Where the lock file lies.
        name: Its name.
        timeout: Seconds to wait for somebody else who holds it.

    Raises:
        UnavailableError: If somebody holds it for longer.
        OSError: If it cannot be opened or locked.
    """

    __slots__ = ("_fd",)

    def __init__(self, place: Place, name: str, *, timeout: float) -> None:
        self._fd = _acquired(place, name, timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if sys.platform != "win32":  # a process forked meanwhile has the file open as well
                fcntl.flock(self._fd, fcntl.LOCK_UN)
        finally:
            os.close(self._fd)  # which releases it too, as does the end of the process


def _acquired(place: Place, name: str, timeout: float) -> int:
    end = time.monotonic() + timeout
    pause = FIRST_PAUSE
    while True:
        fd = place.open(name, os.O_RDWR | os.O_CREAT)
        try:
            if _is_taken(fd) and os.fstat(fd).st_nlink:
                taken, fd = fd, -1
                return taken
        finally:
            if fd >= 0:
                os.close(fd)
        if time.monotonic() > end:
            text = f"somebody holds {name} for more than {timeout:g} s"
            raise UnavailableError(text, retry_after=1)
        time.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - so that not all wake at once
        pause = min(pause * 2, LAST_PAUSE)


def _is_taken(fd: int) -> bool:
    try:
        if sys.platform == "win32":
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            return False
        raise
    return True

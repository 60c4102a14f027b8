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
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from pegboard.errors import UnavailableError
from pegboard_durable import Root

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["locked"]

FIRST_PAUSE = 0.0002
LAST_PAUSE = 0.01

_HELD = frozenset({errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK})


@contextmanager
def locked(root: Root, path: str, *, timeout: float) -> Iterator[None]:
    """Hold the lock file at `path` while the block runs.

    Raises:
        UnavailableError: If somebody else holds it for longer than `timeout`.
        OSError: If it cannot be opened or locked.
    """
    end = time.monotonic() + timeout
    pause = FIRST_PAUSE
    while True:
        with _opened(root, path) as file:
            # Closing the file releases the lock, and so does the end of the process.
            if _acquired(file.fileno()) and os.fstat(file.fileno()).st_nlink:
                yield
                return
        if time.monotonic() > end:
            raise UnavailableError(
                f"somebody holds {path} for more than {timeout:g} s", retry_after=1
            )
        time.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - so that not all wake at once
        pause = min(pause * 2, LAST_PAUSE)


def _opened(root: Root, path: str) -> BinaryIO:
    try:
        return root.open(path)
    except FileNotFoundError:
        with suppress(FileExistsError):
            root.create(path, b"", mode=0o600, durable=False)
        return root.open(path)


def _acquired(fd: int) -> bool:
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

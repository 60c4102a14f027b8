"""Excludes other threads and processes for the moment of an append, by locks that die with them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["latched"]


@contextmanager
def latched(path: str | os.PathLike[str], *, shared: bool = False) -> Iterator[None]:
    """Hold the lock of a file while the block runs; waits for as long as others hold it.

    Each use opens the file anew, so that threads of one process exclude one another as well.

    Raises:
        OSError: If the file cannot be opened or locked.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)

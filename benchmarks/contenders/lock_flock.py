"""A lock by hand: the file stays open, `flock` waits in the kernel."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path


def open_lock(folder: str) -> Callable[[], AbstractContextManager[None]]:
    """Return what enters the lock."""
    descriptor = os.open(Path(folder) / "by hand", os.O_RDWR | os.O_CREAT, 0o600)

    @contextmanager
    def held() -> Iterator[None]:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)

    return held

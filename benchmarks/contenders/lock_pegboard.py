"""A lock of a `LockFolder`: fair, with a timeout, and everyone sees who holds it."""

from collections.abc import Callable
from contextlib import AbstractContextManager

from pegboard_locking import LockFolder


def open_lock(folder: str) -> Callable[[], AbstractContextManager[None]]:
    """Return what enters the lock."""
    lock = LockFolder(folder).lock("pegboard", timeout=60.0)
    return lambda: lock

"""The locks of the operating system: the one module that takes them.

They belong to an open file, not to a process or a thread, and end with it, however it ends. On
POSIX this is `flock`, and never `lockf`, whose locks vanish when *any* descriptor of the file is
closed. portalocker does the same on Windows; elsewhere it would cost much time at the start, and
call the same function.
"""

from __future__ import annotations

import sys

__all__ = ["try_lock", "unlock"]

if sys.platform == "win32":
    from portalocker import AlreadyLocked, LockFlags
    from portalocker.portalocker import lock as _lock
    from portalocker.portalocker import unlock as _unlock

    def try_lock(descriptor: int, *, shared: bool) -> bool:
        """Lock an open file; False if somebody else has it."""
        kind = LockFlags.SHARED if shared else LockFlags.EXCLUSIVE
        try:
            _lock(descriptor, kind | LockFlags.NON_BLOCKING)
        except AlreadyLocked:
            return False
        return True

    def unlock(descriptor: int) -> None:
        """Release the lock of an open file."""
        _unlock(descriptor)

else:
    from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, LOCK_UN, flock

    _EXCLUSIVE = LOCK_EX | LOCK_NB
    _SHARED = LOCK_SH | LOCK_NB

    def try_lock(descriptor: int, *, shared: bool) -> bool:
        """Lock an open file; False if somebody else has it."""
        try:
            flock(descriptor, _SHARED if shared else _EXCLUSIVE)
        except BlockingIOError:
            return False
        return True

    def unlock(descriptor: int) -> None:
        """Release the lock of an open file."""
        flock(descriptor, LOCK_UN)

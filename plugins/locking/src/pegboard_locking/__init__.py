"""Locks that hold across threads and processes, and check-outs with leases."""

from pegboard_locking._error import AlreadyHeldError, LockedError
from pegboard_locking._file_lock import FileLock
from pegboard_locking._folder import LockFolder
from pegboard_locking._path_lock import FileLockManager, LockedFile, LockInfo, PathLock
from pegboard_locking._presence import Presence, PresenceFolder

__all__ = [
    "AlreadyHeldError",
    "FileLock",
    "FileLockManager",
    "LockFolder",
    "LockInfo",
    "LockedError",
    "LockedFile",
    "PathLock",
    "Presence",
    "PresenceFolder",
]

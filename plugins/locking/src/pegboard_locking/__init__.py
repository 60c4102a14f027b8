"""Locks that hold across threads and processes, and check-outs with leases."""

from pegboard_locking._bound import Bounds
from pegboard_locking._checkout import AuditEntry, Checkout, Version
from pegboard_locking._error import (
    AlreadyHeldError,
    CheckedOutError,
    FileMissingError,
    LockedError,
    NotCheckedOutError,
    NotOwnerError,
    StaleCheckoutError,
)
from pegboard_locking._file_lock import FileLock
from pegboard_locking._folder import LockFolder
from pegboard_locking._lock_manager import LockManager
from pegboard_locking._path_lock import FileLockManager, LockedFile, LockInfo, PathLock
from pegboard_locking._presence import Presence, PresenceFolder
from pegboard_locking._repository import FileRepository
from pegboard_locking._service import FileService

__all__ = [
    "AlreadyHeldError",
    "AuditEntry",
    "Bounds",
    "CheckedOutError",
    "Checkout",
    "FileLock",
    "FileLockManager",
    "FileMissingError",
    "FileRepository",
    "FileService",
    "LockFolder",
    "LockInfo",
    "LockManager",
    "LockedError",
    "LockedFile",
    "NotCheckedOutError",
    "NotOwnerError",
    "PathLock",
    "Presence",
    "PresenceFolder",
    "StaleCheckoutError",
    "Version",
]

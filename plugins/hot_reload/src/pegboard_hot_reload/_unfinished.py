"""Is somebody still writing this file? Half a file is not code."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path

__all__ = ["git_locks", "is_being_written", "is_blank", "is_git_busy", "is_missing"]

F_SETSIG = 10
"""The number of this operation on Linux; Python has no name for it on some builds."""

STALE = 10.0
"""Seconds after which a lock of git is one that a crash has left."""


def is_being_written(path: Path) -> bool:
    """Whether a process has the file open for writing.

    Linux tells the owner of a file, who cannot have a read lease while there is a writer.
    Elsewhere, and on file systems without leases, the answer is no.
    """
    if sys.platform != "linux":
        return False
    import fcntl  # not on all systems

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # Who opens the file for writing meanwhile makes the system send us a signal, which had
        # better be one that does nothing: that of leases ends the process.
        fcntl.fcntl(descriptor, F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


def is_blank(path: Path) -> bool:
    """Whether a file is there and has nothing in it, as one that is about to be written."""
    try:
        return path.stat().st_size == 0
    except OSError:
        return False


def is_missing(path: Path) -> bool:
    """Whether there is no such file; one that cannot be looked at is no missing one."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def git_locks(folders: Iterable[Path]) -> list[Path]:
    """Return what git holds while it changes the work trees that these folders are the roots of.

    A work tree that was added to a repository, and a submodule, have a file that says where its
    data is.
    """
    return [_git_data(folder / ".git") / "index.lock" for folder in folders]


def is_git_busy(locks: Iterable[Path]) -> bool:
    """Whether git holds one of these locks, which are those of `git_locks`."""
    return any(map(_is_fresh, locks))


def _git_data(entry: Path) -> Path:
    """Return the folder with the data of a work tree, which is the entry itself or named in it."""
    try:
        label, _, path = entry.read_bytes().partition(b":")
    except OSError:  # a folder, or nothing
        return entry
    return entry.parent / os.fsdecode(path.strip()) if label == b"gitdir" else entry


def _is_fresh(lock: Path) -> bool:
    try:
        return time.time() - lock.stat().st_mtime < STALE
    except OSError:
        return False

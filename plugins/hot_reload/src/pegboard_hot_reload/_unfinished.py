"""Is somebody still writing this file? Half a file is not code."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path

__all__ = ["is_being_written", "is_blank", "is_git_busy"]

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


def is_git_busy(folders: Iterable[Path]) -> bool:
    """Whether git is changing the work tree that one of these folders is in."""
    return any(_is_fresh(root / ".git" / "index.lock") for root in folders)


def _is_fresh(lock: Path) -> bool:
    try:
        return time.time() - lock.stat().st_mtime < STALE
    except OSError:
        return False

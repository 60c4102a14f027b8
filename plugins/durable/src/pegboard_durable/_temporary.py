"""The temporary file that becomes the new content, and what is left of those whose writer died.

A writer holds a lock on its temporary file, which the system takes away when the writer dies. So a
sweep can tell the dead from the living on any number of processes: it removes what it can lock.
"""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
import time
from contextlib import suppress
from typing import BinaryIO

from pegboard_durable._folder import Folder, sync

if sys.platform != "win32":
    import fcntl

__all__ = ["Temporary", "link_replaced", "sweep"]

_PATTERN = re.compile(r"\.pegboard-[0-9a-f]{16}\.tmp")
_NEW = os.O_CREAT | os.O_EXCL | os.O_RDWR
_HASTENS = sys.platform == "linux"  # that a file is not needed starts its way to the device there
_UNSUPPORTED = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})


class Temporary:
    """A locked file of a unique name in a folder, open for writing.

    Args:
        folder: Where it lies: on the same file system as what it replaces.
        mode: What it is created with, less the umask.
        name: A name that nobody but the caller uses, who holds a lock: what is there was left by
            one that died. None for a name that nobody has.

    Attributes:
        name: Its name in the folder.
        fd: Its descriptor.

    Raises:
        OSError: If it cannot be created.
    """

    def __init__(self, folder: Folder, mode: int, *, name: str | None = None) -> None:
        self._folder = folder
        self._file: BinaryIO | None = None
        self._is_kept = False
        if name is not None:
            self.name, self.fd = name, _renewed(folder, name, mode)
        else:
            self.name, self.fd = _locked(folder, mode)

    def write(self, data: bytes) -> None:
        """Write a content that is at hand.

        Raises:
            OSError: If it does not fit, or the device fails.
        """
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self.fd, rest) :]

    def hasten(self) -> None:
        """Let the device begin with what was written, which `settle` waits for."""
        if _HASTENS:
            with suppress(OSError):  # a hint; what is wrong `settle` will say
                os.posix_fadvise(self.fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def buffered(self) -> BinaryIO:
        """Return a file to write to, which is closed with this one.

        Raises:
            OSError: If it cannot be made.
        """
        self._file = os.fdopen(self.fd, "w+b")
        return self._file

    def settle(self, *, durable: bool) -> None:
        """Hand what was written to the system, and to the device.

        Raises:
            OSError: If they do not take it.
        """
        if self._file is not None:
            self._file.flush()
        if durable:
            sync(self.fd)

    def keep(self) -> None:
        """Leave the file: it has got its place, or is no longer under this name."""
        self._is_kept = True

    def close(self) -> None:
        """Close the file; remove it unless it is kept."""
        if self._is_kept:
            self._close()  # with nothing left to write, so that nothing can fail
            return
        # What could not be written is thrown away, and its failure is on its way already.
        with suppress(OSError):
            self._close()
        with suppress(OSError):  # left to a sweep
            self._folder.unlink(self.name)

    def _close(self) -> None:
        if self._file is None:
            os.close(self.fd)
        else:
            self._file.close()


def _locked(folder: Folder, mode: int) -> tuple[str, int]:
    while True:
        name = _new_name()
        fd = folder.open_file(name, _NEW, mode)
        if _lock(fd) and os.fstat(fd).st_nlink:
            return name, fd
        os.close(fd)  # a sweep came between the two calls and removes it


def _renewed(folder: Folder, name: str, mode: int) -> int:
    try:
        return folder.open_file(name, _NEW, mode)
    except FileExistsError:  # removed, and not emptied: it could be another name of any file
        folder.unlink(name)
        return folder.open_file(name, _NEW, mode)


def link_replaced(folder: Folder, name: str, target: str) -> None:
    """Put a symbolic link in the place of `name`.

    Raises:
        OSError: If that is not possible.
    """
    temporary = _new_name()
    folder.make_link(temporary, target)
    try:
        folder.rename(temporary, name, folder)
    except BaseException:
        folder.unlink(temporary)
        raise


def _new_name() -> str:
    """Return a name that no file has."""
    return f".pegboard-{os.urandom(8).hex()}.tmp"


def sweep(folder: Folder, older_than: float) -> int:
    """Remove the temporary files of dead writers and return how many there were.

    Args:
        folder: Where to look; not below it.
        older_than: Seconds since the last write; matters where the file system has no locks.

    Raises:
        OSError: If the folder cannot be read or written.
    """
    latest = time.time() - older_than
    names = filter(_PATTERN.fullmatch, folder.names())
    return sum(_remove_dead(folder, name, latest) for name in names)


def _remove_dead(folder: Folder, name: str, latest: float) -> bool:
    found = folder.stat(name)
    if found is None or found.st_mtime > latest:
        return False
    if stat.S_ISLNK(found.st_mode):
        return folder.unlink(name)  # a link is in its place a moment after it was made
    if not stat.S_ISREG(found.st_mode):
        return False
    try:
        fd = folder.open_file(name, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        # The name could have gone to another file only if a writer chose the same 64 random bits.
        return _lock(fd) and folder.unlink(name)
    finally:
        os.close(fd)


def _lock(fd: int) -> bool:
    if sys.platform == "win32":
        return True  # an open file cannot be removed there, which serves as well
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    return True

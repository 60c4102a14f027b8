"""Where the files of a backup are put: folder by folder, each file whole or not at all."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self

from pegboard_files._error import DamagedError
from pegboard_files._manifest import FileEntry

if TYPE_CHECKING:
    from pegboard_durable import Place
    from pegboard_files._session import Session
    from pegboard_files._vault import Vault

__all__ = ["Landing", "mode_of"]


class Landing:
    """Puts files into a vault. A context manager: the folder of the last file stays open.

    Args:
        vault: Where the files go.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._stack = ExitStack()
        self._folder: str | None = None
        self._place: Place | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._leave()

    def is_free(self, path: str) -> bool:
        """Whether there is nothing at a path.

        Raises:
            OSError: If the path leads through a file, or out of the vault.
        """
        folder, name = os.path.split(path)
        try:
            place = self._enter(folder, is_made=False)
        except FileNotFoundError:
            return True
        return not place.has(name)

    def put(self, kept: Session, entry: FileEntry, *, is_new: bool) -> None:
        """Give a file its content, mode, owner and time, under its lock.

        Args:
            kept: Where the content is.
            entry: The file.
            is_new: Whether there has to be nothing yet.

        Raises:
            FileExistsError: If there is something all the same; it is as it was.
            DamagedError: If the content is not what was kept; the file is as it was.
            TimeoutError: If others held the lock for all of the timeout.
            OSError: If it cannot be written; the file is as it was.
        """
        root = self._vault.root
        begin = root.creating if is_new else root.writing
        with (
            self._vault.locked(entry.path, "exclusive"),
            begin(entry.path, mode=mode_of(entry), durable=False) as file,
        ):
            _fill(kept, file, entry)

    def put_new(self, kept: Session, entry: FileEntry) -> bool:
        """Make a file that is not there; False if it is, or somebody has locked it.

        Its own lock is not taken, which would cost as much as the rest: whoever locks the path at
        this very moment sees the file appear, whole.

        Raises:
            DamagedError: If the content is not what was kept; there is no such file then.
            OSError: If it cannot be written; there is no such file then.
        """
        folder, name = os.path.split(entry.path)
        place = self._enter(folder, is_made=True)
        if self._vault.locks.is_locked(os.path.join(place.path, name)):
            return False
        try:
            with place.creating(name, mode=mode_of(entry)) as file:
                _fill(kept, file, entry)
        except FileExistsError:
            return False
        return True

    def _enter(self, folder: str, *, is_made: bool) -> Place:
        if self._place is None or folder != self._folder:
            self._leave()
            if folder:
                self._vault.locate(folder)  # not to where versions and backups are kept
            place = self._vault.root.place(folder, make=is_made, durable=False)
            self._place = self._stack.enter_context(place)
            self._folder = folder
        return self._place

    def _leave(self) -> None:
        self._place = None
        self._stack.close()


def mode_of(entry: FileEntry) -> int:
    """Return the mode of a file or folder."""
    return stat.S_IMODE(entry.mode)


def _fill(kept: Session, file: BinaryIO, entry: FileEntry) -> None:
    checksum = hashlib.sha256()
    for name in entry.chunks:
        chunk = kept.get(name)
        checksum.update(chunk)
        file.write(chunk)
    if checksum.digest() != entry.checksum:
        raise DamagedError(f"{entry.path} is not what was backed up")
    file.flush()
    if sys.platform != "win32":
        os.fchmod(file.fileno(), _take_owner(file.fileno(), entry))
        os.utime(file.fileno(), ns=(entry.modified_ns, entry.modified_ns))


def _take_owner(fd: int, entry: FileEntry) -> int:
    """Give a file its owner, and return the mode that it may have then.

    Only the superuser gives files away. One of another owner does not run as whoever restores it.
    """
    if sys.platform != "win32":
        try:
            os.fchown(fd, *entry.owner)
        except PermissionError:
            return mode_of(entry) & 0o777
    return mode_of(entry)

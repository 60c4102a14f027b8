"""A folder below a root that is opened once, for several steps with the files in it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from pegboard_durable._error import OutsideRootError, translated, unsynced
from pegboard_durable._folder import Folder, sync
from pegboard_durable._temporary import Temporary, new_name

__all__ = ["Place"]

_PART = 1 << 20


class Place:
    """Reads and writes the files of one folder by name; no link among them is followed.

    It is given by `Root.place`, and serves while that block runs.

    Attributes:
        path: Where the folder was when it was opened: for messages.
    """

    def __init__(self, folder: Folder, *, durable: bool) -> None:
        self.path = folder.path
        self._folder = folder
        self._durable = durable

    def open(self, name: str, flags: int, mode: int = 0o600) -> int:
        """Open a plain file and return its descriptor.

        Raises:
            FileNotFoundError: If there is none.
            OutsideRootError: If there is a link, pipe, socket or device of that name.
            DurableError: If it cannot be opened.
        """
        with self._translated("open", name):
            fd = self._folder.open_file(name, flags, mode)
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise OutsideRootError(errno.EXDEV, f"{name} in {self.path} is no plain file")
        return fd

    def read(self, name: str) -> bytes:
        """Return the whole content of a file.

        Raises:
            FileNotFoundError: If there is none.
            OutsideRootError: If there is a link, pipe, socket or device of that name.
            DurableError: If it cannot be read.
        """
        fd = self.open(name, os.O_RDONLY)
        try:
            with self._translated("read", name):
                parts = []
                while part := os.read(fd, _PART):
                    parts.append(part)
        finally:
            os.close(fd)
        return b"".join(parts)

    def replace(self, name: str, data: bytes, *, mode: int = 0o600) -> None:
        """Give a file, new or old, this content and mode, in one step.

        Raises:
            DurableError: If it cannot be written; the old content is there, unless the error's
                `is_replaced` says otherwise.
        """
        with self._translated("write", name, effect="what was there before is unchanged"):
            temporary = Temporary(self._folder, mode)
            try:
                temporary.file.write(data)
                temporary.file.flush()
                if self._durable:
                    sync(temporary.file.fileno())
                self._folder.rename(temporary.name, name, self._folder)
                temporary.keep()
            finally:
                temporary.close()
        if self._durable:
            with unsynced(self._at(name)):
                self._folder.sync()

    def preserve(self, name: str, second: str) -> None:
        """Give what is in a file now a second name, in the place of what had that name.

        Nothing is copied: when the file is replaced, the old content stays under the second name.

        Raises:
            FileNotFoundError: If there is no such file.
            DurableError: If that is not possible; what had the second name has it still.
        """
        temporary = new_name()
        with self._translated("preserve", name):
            self._folder.link(name, temporary)
            try:
                self._folder.rename(temporary, second, self._folder)
            finally:  # it is still there if the two were one already
                self._folder.unlink(temporary)

    def remove(self, name: str) -> bool:
        """Remove a file; False where there was none. A link is removed, not what it names.

        Raises:
            DurableError: If it cannot be removed.
        """
        with self._translated("remove", name):
            is_removed = self._folder.unlink(name)
            if is_removed and self._durable:
                self._folder.sync()
            return is_removed

    def _at(self, name: str) -> str:
        return os.path.join(self.path, name)

    @contextmanager
    def _translated(self, doing: str, name: str, effect: str = "") -> Iterator[None]:
        try:
            with translated(doing, self._at(name), effect=effect):
                yield
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise OutsideRootError(errno.ELOOP, f"{name} in {self.path} is a link") from error

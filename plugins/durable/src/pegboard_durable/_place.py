"""A folder below a root that is opened once, for several steps with the files in it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import BinaryIO, Self

from pegboard_durable._error import OutsideRootError, translated
from pegboard_durable._folder import Folder
from pegboard_durable._replacement import Replacement, created

__all__ = ["Place"]


class Place:
    """Reads and writes the files of one folder by name; no link among them is followed.

    It is given by `Root.place`: a context manager that closes the folder.

    Attributes:
        path: Where the folder was when it was opened: for messages.
    """

    def __init__(self, folder: Folder, *, durable: bool) -> None:
        self.path = folder.path
        self._folder = folder
        self._durable = durable

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._folder.close()

    def open(self, name: str, flags: int, mode: int = 0o600) -> int:
        """Open a plain file and return its descriptor.

        Raises:
            FileNotFoundError: If there is none.
            OutsideRootError: If there is a link, pipe, socket or device of that name.
            DurableError: If it cannot be opened.
        """
        return self._open(name, flags, mode)[0]

    def read(self, name: str) -> bytes:
        """Return the whole content of a file.

        Raises:
            FileNotFoundError: If there is none.
            OutsideRootError: If there is a link, pipe, socket or device of that name.
            DurableError: If it cannot be read.
        """
        fd, size = self._open(name, os.O_RDONLY)
        try:
            with translated("read", self._at(name)):
                data = os.read(fd, size + 1)
                while len(data) < size and (more := os.read(fd, size)):
                    data += more
        finally:
            os.close(fd)
        return data

    def _open(self, name: str, flags: int, mode: int = 0o600) -> tuple[int, int]:
        with translated("open", self._at(name)):
            fd = self._folder.open_file(name, flags, mode)
            found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            os.close(fd)
            raise OutsideRootError(errno.EXDEV, f"{name} in {self.path} is no plain file")
        return fd, found.st_size

    def replacing(
        self, name: str, data: bytes, *, aside: str | None = None, mode: int = 0o600
    ) -> Replacement:
        """Begin to write the whole new content of a file, new or old; nothing is seen of it yet.

        Args:
            name: Its name.
            data: Its new content.
            aside: Name that the content is written under first, for who holds a lock of the file:
                a writer that dies leaves it, and the next one removes it. None for a new name,
                which `Root.sweep` removes then.
            mode: Its new mode.

        Raises:
            DurableError: If it cannot be written.
        """
        return Replacement(self._folder, name, data, aside=aside, mode=mode, durable=self._durable)

    def has(self, name: str) -> bool:
        """Whether there is anything of that name.

        Raises:
            DurableError: If that cannot be found out.
        """
        with translated("find", self._at(name)):
            return self._folder.stat(name) is not None

    @contextmanager
    def creating(self, name: str, *, mode: int = 0o600) -> Iterator[BinaryIO]:
        """Yield a file to write to that appears, whole, under its name when the block ends.

        Raises:
            FileExistsError: If there is something of that name, at the start or at the end.
            DurableError: If it cannot be written; there is no such file then.
        """
        with created(self._folder, name, mode=mode, durable=self._durable) as file:
            yield file

    def set_state(self, *, mode: int, modified_ns: int) -> None:
        """Give the folder itself a mode and a time, in nanoseconds since 1970.

        Raises:
            DurableError: If that is not possible.
        """
        with translated("set the mode of", self.path):
            self._folder.set_state(mode, modified_ns)

    def remove(self, name: str, *beside: str) -> bool:
        """Remove a file; False where there was none. A link is removed, not what it names.

        Args:
            name: Its name.
            beside: Names of files that go before it, where they are there.

        Raises:
            DurableError: If it cannot be removed.
        """
        with translated("remove", self._at(name)):
            removed = [self._folder.unlink(each) for each in (*beside, name)]
            if self._durable and any(removed):
                self._folder.sync()
            return removed[-1]

    def _at(self, name: str) -> str:
        return f"{self.path}{os.sep}{name}"

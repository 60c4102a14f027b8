"""A file written aside and put in place in one step: write, sync, rename, sync the folder."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import BinaryIO, Self

from pegboard_durable._error import OutsideRootError, translated, unsynced
from pegboard_durable._folder import Folder
from pegboard_durable._likeness import set_mode, take_likeness
from pegboard_durable._temporary import Temporary

__all__ = ["Replacement", "created", "replaced"]

_INTACT = "what was there before is unchanged"
_ABSENT = "there is no such file"


class Replacement:
    """A content that is on its way to the device; a context manager that drops it unless it is put.

    What its maker does until `put` costs nothing that the device would not take as well.

    Args:
        folder: Where the file lies.
        name: Its name.
        data: Its whole new content.
        aside: Name to write it under first, which nobody else uses; None for a new one.
        mode: Its new mode.
        durable: Whether `put` returns only when a power cut cannot undo it.

    Raises:
        DurableError: If it cannot be written.
    """

    __slots__ = ("_durable", "_folder", "_name", "_path", "_temporary")

    def __init__(
        self, folder: Folder, name: str, data: bytes, *, aside: str | None, mode: int, durable: bool
    ) -> None:
        self._folder = folder
        self._name = name
        self._path = os.path.join(folder.path, name)
        self._durable = durable
        with translated("write", self._path, effect=_INTACT):
            self._temporary = Temporary(folder, mode, name=aside)
            try:
                self._temporary.write(data)
            except BaseException:
                self._temporary.close()
                raise
        if durable:
            self._temporary.hasten()

    def put(self, *, keep_as: str | None = None) -> None:
        """Put it in the place of what is there, in one step.

        Args:
            keep_as: Second name that what is there keeps, in the place of what had it. Nothing is
                copied. A failure or death in between may leave nothing of that name.

        Raises:
            DurableError: If it cannot be written; the old content is there, unless the error's
                `is_replaced` says otherwise.
        """
        with translated("write", self._path, effect=_INTACT):
            self._temporary.settle(durable=self._durable)
            if keep_as is not None:  # only now is it certain that there is room for the new one
                self._keep(keep_as)
            self._folder.rename(self._temporary.name, self._name, self._folder)
            self._temporary.keep()
        if self._durable:
            with unsynced(self._path):
                self._folder.sync()

    def _keep(self, second: str) -> None:
        self._folder.unlink(second)
        with suppress(FileNotFoundError):  # there is nothing before
            self._folder.link(self._name, second)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._temporary.close()


@contextmanager
def replaced(folder: Folder, name: str, *, mode: int | None, durable: bool) -> Iterator[BinaryIO]:
    """Yield a file whose content takes the place of `name` when the block ends.

    A raise in the block, or a death of the process, leaves the old content.

    Args:
        folder: Where the file lies.
        name: Its name; not that of a link.
        mode: New mode; None for that of the old file, 0o666 less the umask if there is none.
        durable: Whether to return only when a power cut cannot undo it.

    Raises:
        IsADirectoryError: If there is a folder of that name.
        OutsideRootError: If there is a pipe, socket or device of that name.
        DurableError: If it cannot be written.
    """
    path = os.path.join(folder.path, name)
    with translated("write", path, effect=_INTACT):
        old = folder.stat(name)
        _require_plain(old, path)
        temporary = Temporary(folder, 0o666 if old is None and mode is None else 0o600)
    try:
        with translated("write", path, effect=_INTACT):
            if old is not None:
                take_likeness(temporary.fd, folder, name, old)
            if mode is not None:
                set_mode(temporary.fd, mode)
            file = temporary.buffered()
        with translated("write", path, effect=_INTACT, is_foreign=True):
            yield file
        with translated("write", path, effect=_INTACT):
            temporary.settle(durable=durable)
            folder.rename(temporary.name, name, folder)
            temporary.keep()
    finally:
        temporary.close()
    if durable:
        with unsynced(path):
            folder.sync()


@contextmanager
def created(folder: Folder, name: str, *, mode: int | None, durable: bool) -> Iterator[BinaryIO]:
    """Yield a file whose content appears at `name` when the block ends, if nothing is there then.

    Raises:
        FileExistsError: If something is there, at the start or at the end.
        DurableError: If it cannot be written.
    """
    path = os.path.join(folder.path, name)
    with translated("create", path, effect=_ABSENT):
        if folder.stat(name) is not None:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        temporary = Temporary(folder, 0o666 if mode is None else 0o600)
    try:
        with translated("create", path, effect=_ABSENT):
            if mode is not None:
                set_mode(temporary.fd, mode)
            file = temporary.buffered()
        with translated("create", path, effect=_ABSENT, is_foreign=True):
            yield file
        with translated("create", path, effect=_ABSENT):
            temporary.settle(durable=durable)
            folder.link(temporary.name, name)
    finally:
        temporary.close()
    if durable:
        with unsynced(path):
            folder.sync()


def _require_plain(old: os.stat_result | None, path: str) -> None:
    if old is None or stat.S_ISREG(old.st_mode):
        return
    if stat.S_ISDIR(old.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
    raise OutsideRootError(errno.EXDEV, f"{path} is a link, pipe, socket or device, and no file")

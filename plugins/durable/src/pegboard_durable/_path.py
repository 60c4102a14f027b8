"""The same for a file anywhere: links are followed wherever they lead, and stay."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from pegboard_durable._error import translated
from pegboard_durable._folder import Folder
from pegboard_durable._reading import open_plain
from pegboard_durable._replacement import created, replaced

__all__ = ["create", "open_file", "replace", "writing"]


def open_file(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a plain file for reading; a pipe is refused and not waited for.

    Raises:
        FileNotFoundError: If there is none.
        IsADirectoryError: If it is a folder.
        OutsideRootError: If it is a pipe, socket or device.
        DurableError: If it cannot be read.
    """
    with _folder("open", path) as (folder, name), translated("open", str(path)):
        return open_plain(folder, name, str(path))


def replace(
    path: str | os.PathLike[str],
    data: bytes | bytearray | memoryview,
    *,
    mode: int | None = None,
    durable: bool = True,
) -> None:
    """Give a file, new or old, this content, in one step that is seen whole or not at all.

    What `Root.replace` says about owner, mode and links holds here. The folder has to exist.

    Raises:
        FileNotFoundError: If there is no such folder.
        IsADirectoryError: If it is a folder.
        OutsideRootError: If it is a pipe, socket or device.
        DurableError: If it cannot be written; the old content is there, unless the error's
            `is_replaced` says otherwise.
    """
    with writing(path, mode=mode, durable=durable) as file:
        file.write(data)


def create(
    path: str | os.PathLike[str],
    data: bytes | bytearray | memoryview,
    *,
    mode: int | None = None,
    durable: bool = True,
) -> None:
    """Make a new file with this content; of many that try at once, one succeeds.

    Raises:
        FileExistsError: If there is something of that name.
        FileNotFoundError: If there is no such folder.
        DurableError: If it cannot be written; there is no such file then.
    """
    with (
        _folder("create", path) as (folder, name),
        created(folder, name, mode=mode, durable=durable) as file,
    ):
        file.write(data)


@contextmanager
def writing(
    path: str | os.PathLike[str], *, mode: int | None = None, durable: bool = True
) -> Iterator[BinaryIO]:
    """Yield a file to write to that takes its place, as with `replace`, when the block ends.

    A raise in the block leaves the old content.

    Raises:
        FileNotFoundError: If there is no such folder.
        IsADirectoryError: If it is a folder.
        OutsideRootError: If it is a pipe, socket or device.
        DurableError: If it cannot be written.
    """
    with (
        _folder("write", path) as (folder, name),
        replaced(folder, name, mode=mode, durable=durable) as file,
    ):
        yield file


@contextmanager
def _folder(doing: str, path: str | os.PathLike[str]) -> Iterator[tuple[Folder, str]]:
    parent, name = os.path.split(os.path.realpath(path))
    with translated(doing, str(path)):
        folder = Folder.open(parent)
    with folder:
        yield folder, name

"""A folder that nothing below it leads out of, and what can be done with its files."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePath
from typing import BinaryIO

from pegboard_durable._error import OutsideRootError, translated
from pegboard_durable._folder import Folder
from pegboard_durable._place import Place
from pegboard_durable._reading import open_plain
from pegboard_durable._replacement import created, replaced
from pegboard_durable._temporary import link_replaced, sweep
from pegboard_durable._walk import Walk

__all__ = ["Item", "Root"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Something in a folder.

    Attributes:
        path: Relative to the root, with `/`.
        stat: What the system knows about it; that of a link itself.
    """

    path: str
    stat: os.stat_result

    @property
    def is_file(self) -> bool:
        """Whether it is a plain file."""
        return stat.S_ISREG(self.stat.st_mode)

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return stat.S_ISDIR(self.stat.st_mode)

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return stat.S_ISLNK(self.stat.st_mode)


class Root:
    """Reads and writes files below a folder. Threads and processes may share one freely.

    Paths are relative to the root, or absolute and below it. Links are followed while they stay
    below the root: a file that a link names is written where it lies, and the link stays. Nothing
    is opened through a link that leads out, whoever puts it there and whenever. (Windows has no
    calls for that: there, a link is looked at just before.)

    Args:
        path: The folder; made, with those above it, if it is missing.
        durable: Whether what has been written survives a power cut, unless a call says otherwise.
        folder_mode: What missing folders are made with, less the umask.
        follow: Whether links are followed that stay below the root; else each is refused, wherever
            it leads.

    Attributes:
        path: The folder, absolute and without links.

    Raises:
        OSError: If the folder can be neither found nor made.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        durable: bool = True,
        folder_mode: int = 0o777,
        follow: bool = True,
    ) -> None:
        self.path = Path(os.path.realpath(path))
        self._given = PurePath(os.path.abspath(path))
        self._durable = durable
        self._folder_mode = folder_mode
        self._follow = follow
        with translated("make", str(self.path)):
            self.path.mkdir(mode=folder_mode, parents=True, exist_ok=True)

    def __repr__(self) -> str:
        return f"Root({str(self.path)!r})"

    def read(self, path: str | os.PathLike[str]) -> bytes:
        """Return the whole content of a file.

        Raises:
            FileNotFoundError: If there is none.
            IsADirectoryError: If it is a folder.
            OutsideRootError: If the path leads out of the root, or to no plain file.
            DurableError: If it cannot be read.
        """
        with self.open(path) as file, translated("read", str(path)):
            return file.read()

    def open(self, path: str | os.PathLike[str]) -> BinaryIO:
        """Open a file for reading. What replaces it later does not change what is read here.

        Raises:
            FileNotFoundError: If there is none.
            IsADirectoryError: If it is a folder.
            OutsideRootError: If the path leads out of the root, or to no plain file.
            DurableError: If it cannot be opened.
        """
        with translated("open", str(path)), self._begin() as walk:
            name = walk.to_name(self._parts(path))
            return open_plain(walk.folder, name, str(path))

    def replace(
        self,
        path: str | os.PathLike[str],
        data: bytes | bytearray | memoryview,
        *,
        mode: int | None = None,
        durable: bool | None = None,
    ) -> None:
        """Give a file, new or old, this content, in one step that is seen whole or not at all.

        Owner, group, mode and extended attributes stay as far as the process may set them; other
        hard links keep the old content. Missing folders are made.

        Args:
            path: The file.
            data: Its whole new content.
            mode: New mode; None for that of the old file, or 0o666 less the umask.
            durable: Whether to return only when a power cut cannot undo it.

        Raises:
            IsADirectoryError: If it is a folder.
            OutsideRootError: If the path leads out of the root, or to no plain file.
            DurableError: If it cannot be written; the old content is there, unless the error's
                `is_replaced` says otherwise.
        """
        with self.writing(path, mode=mode, durable=durable) as file:
            file.write(data)

    def create(
        self,
        path: str | os.PathLike[str],
        data: bytes | bytearray | memoryview,
        *,
        mode: int | None = None,
        durable: bool | None = None,
    ) -> None:
        """Make a new file with this content; of many that try at once, one succeeds.

        Raises:
            FileExistsError: If there is something of that name.
            OutsideRootError: If the path leads out of the root.
            DurableError: If it cannot be written; there is no such file then.
        """
        with self.creating(path, mode=mode, durable=durable) as file:
            file.write(data)

    @contextmanager
    def writing(
        self,
        path: str | os.PathLike[str],
        *,
        mode: int | None = None,
        durable: bool | None = None,
    ) -> Iterator[BinaryIO]:
        """Yield a file to write to that takes its place, as with `replace`, when the block ends.

        A raise in the block leaves the old content.

        Raises:
            IsADirectoryError: If it is a folder.
            OutsideRootError: If the path leads out of the root, or to no plain file.
            DurableError: If it cannot be written.
        """
        with self._walk("write", path) as (walk, name):
            is_durable = self._is_durable(durable)
            with replaced(walk.folder, name, mode=mode, durable=is_durable) as file:
                yield file

    @contextmanager
    def creating(
        self,
        path: str | os.PathLike[str],
        *,
        mode: int | None = None,
        durable: bool | None = None,
    ) -> Iterator[BinaryIO]:
        """Yield a file to write to that appears, as with `create`, when the block ends.

        Raises:
            FileExistsError: If there is something of that name, at the start or at the end.
            OutsideRootError: If the path leads out of the root.
            DurableError: If it cannot be written.
        """
        with self._walk("create", path) as (walk, name):
            is_durable = self._is_durable(durable)
            with created(walk.folder, name, mode=mode, durable=is_durable) as file:
                yield file

    def remove(self, path: str | os.PathLike[str], *, durable: bool | None = None) -> bool:
        """Remove a file; False where there was none. A link is removed, not what it names.

        Raises:
            IsADirectoryError: If it is a folder.
            OutsideRootError: If the path leads out of the root.
            DurableError: If it cannot be removed.
        """
        parts = self._parts(path)
        try:
            with translated("remove", str(path)), self._begin() as walk:
                folder = walk.to_folder(parts[:-1])
                is_removed = bool(parts) and folder.unlink(parts[-1])
                if is_removed and self._is_durable(durable):
                    folder.sync()
                return is_removed
        except FileNotFoundError:
            return False

    def move(
        self,
        source: str | os.PathLike[str],
        target: str | os.PathLike[str],
        *,
        durable: bool | None = None,
    ) -> None:
        """Give a file another place below the root; what was there is replaced.

        Raises:
            FileNotFoundError: If there is nothing to move.
            OutsideRootError: If one of the paths leads out of the root.
            DurableError: If it cannot be moved; both are as they were.
        """
        parts = self._parts(source)
        with translated("move", str(source)), self._begin() as old:
            name = old.to_name(parts)
            with self._walk("move", target) as (new, new_name):
                old.folder.rename(name, new_name, new.folder)
                if self._is_durable(durable):
                    new.folder.sync()
                    old.folder.sync()

    def place(
        self, path: str | os.PathLike[str], *, make: bool = False, durable: bool | None = None
    ) -> Place:
        """Open a folder for several steps with the files in it; a context manager that closes it.

        Args:
            path: The folder.
            make: Whether missing folders are made.
            durable: Whether what has been written there survives a power cut.

        Raises:
            FileNotFoundError: If there is no such folder and `make` is not set.
            NotADirectoryError: If there is something else of that name.
            OutsideRootError: If the path leads out of the root.
            DurableError: If it cannot be opened.
        """
        parts = self._parts(path)
        folder = Folder.open_straight(os.sep.join((str(self.path), *parts)))
        if folder is None:
            with translated("open", str(path)), self._begin() as walk:
                walk.to_folder(parts, make=self._folder_mode if make else None)
                folder = walk.take()
        return Place(folder, durable=self._is_durable(durable))

    def make_link(
        self,
        path: str | os.PathLike[str],
        target: str,
        *,
        durable: bool | None = None,
    ) -> None:
        """Make a symbolic link, in the place of a file or link that is there.

        Args:
            path: The link.
            target: Where it leads; that may be out of the root, but nothing follows it there.
            durable: Whether to return only when a power cut cannot undo it.

        Raises:
            IsADirectoryError: If there is a folder of that name.
            OutsideRootError: If the path leads out of the root.
            DurableError: If it cannot be made; what was there before is there.
        """
        parts = self._parts(path)
        with translated("link", str(path)), self._begin() as walk:
            folder = walk.to_folder(parts[:-1], make=self._folder_mode)
            link_replaced(folder, parts[-1] if parts else ".", target)
            if self._is_durable(durable):
                folder.sync()

    def make_folder(self, path: str | os.PathLike[str]) -> None:
        """Make a folder, and those above it, where they are missing.

        Raises:
            OutsideRootError: If the path leads out of the root.
            OSError: If there is something else of that name, or it cannot be made.
        """
        with translated("make", str(path)), self._begin() as walk:
            walk.to_folder(self._parts(path), make=self._folder_mode)

    def remove_folder(self, path: str | os.PathLike[str]) -> None:
        """Remove an empty folder.

        Raises:
            OutsideRootError: If the path leads out of the root, or is the root.
            OSError: If it is not empty, or cannot be removed.
        """
        with translated("remove", str(path)), self._begin() as walk:
            name = walk.to_name(self._parts(path))
            walk.folder.remove_folder(name)

    def find(self, path: str | os.PathLike[str]) -> Item | None:
        """Return what a path leads to, through links, under its true path; None for nothing.

        The true path is the same for every spelling of one file: a key for locks and histories.

        Raises:
            OutsideRootError: If the path leads out of the root.
            DurableError: If it cannot be found out.
        """
        try:
            with translated("find", str(path)), self._begin() as walk:
                name = walk.to_name(self._parts(path))
                found = walk.folder.stat(name)
                return None if found is None else Item(path=walk.at(name), stat=found)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def locate(self, path: str | os.PathLike[str]) -> str:
        """Return the true path of a file that need not exist, relative to the root; make nothing.

        Folders that are missing on the way count as if they had been made.

        Raises:
            NotADirectoryError: If a part of the path is a file and not a folder.
            OutsideRootError: If the path leads out of the root.
            DurableError: If it cannot be found out.
        """
        with translated("find", str(path)), self._begin() as walk:
            return walk.to_missing(self._parts(path))

    def scan(self, path: str | os.PathLike[str] = "") -> list[Item]:
        """Return what is in a folder, sorted by name, without temporary files.

        Raises:
            FileNotFoundError: If there is no such folder.
            OutsideRootError: If the path leads out of the root.
            DurableError: If it cannot be read.
        """
        with translated("list", str(path)), self._begin() as walk:
            folder = walk.to_folder(self._parts(path))
            names = (name for name in folder.names() if not name.startswith(".pegboard-"))
            found = ((name, folder.stat(name)) for name in names)
            return [Item(path=walk.at(name), stat=stat) for name, stat in found if stat is not None]

    def sweep(
        self, path: str | os.PathLike[str] = "", *, older_than: float = 60.0, is_deep: bool = True
    ) -> int:
        """Remove what writers that were killed have left in a folder and all below it.

        What somebody is writing stays, in whatever process.

        Args:
            path: The folder.
            older_than: Seconds since the last write to what is removed. Where the file system has
                no locks, this alone tells a dead writer from a slow one.
            is_deep: Whether to look into the folders below it, too.

        Returns:
            How many files were removed.

        Raises:
            OutsideRootError: If the path leads out of the root.
            DurableError: If a folder cannot be read or written.
        """
        with translated("sweep", str(path)), self._begin() as walk:
            count = sweep(walk.to_folder(self._parts(path)), older_than)
        if not is_deep:
            return count
        folders = [item.path for item in self.scan(path) if item.is_folder]
        return count + sum(self.sweep(folder, older_than=older_than) for folder in folders)

    @contextmanager
    def _walk(self, doing: str, path: str | os.PathLike[str]) -> Iterator[tuple[Walk, str]]:
        parts = self._parts(path)
        with self._begin() as walk:
            with translated(doing, str(path)):
                name = walk.to_name(parts, make=self._folder_mode)
            yield walk, name

    def _begin(self) -> Walk:
        return Walk(str(self.path), follow=self._follow)

    def _is_durable(self, durable: bool | None) -> bool:  # noqa: FBT001  # what a call was given
        return self._durable if durable is None else durable

    def _parts(self, path: str | os.PathLike[str]) -> tuple[str, ...]:
        pure = _pure(os.fspath(path))
        if not pure.anchor:
            return pure.parts
        for root in (self.path, self._given):
            if pure.is_relative_to(root):
                return pure.relative_to(root).parts
        raise OutsideRootError(errno.EXDEV, f"{pure} is not below the root")


@lru_cache(maxsize=1024)
def _pure(path: str) -> PurePath:
    if "\0" in path:
        raise OutsideRootError(errno.EINVAL, f"a path has no NUL character: {path!r}")
    return PurePath(path)

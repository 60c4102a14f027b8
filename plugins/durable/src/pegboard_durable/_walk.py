"""The way from a root to a place below it, one component after the other.

Each folder is opened relative to the one before and never through a link; a link is read and walked
as if its target had been written there. So whatever is swapped meanwhile, no step leaves the root.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Sequence
from pathlib import PurePath
from types import TracebackType
from typing import Self

from pegboard_durable._error import OutsideRootError
from pegboard_durable._folder import Folder

__all__ = ["Walk"]

MOST_LINKS = 40  # as Linux: more are taken for a circle
MOST_PARTS = 256  # each is a descriptor that is open for a moment


class Walk:
    """A context manager that holds the folders on the way open.

    Args:
        root: Absolute path of the root, without links.
        follow: Whether links are followed that stay below the root.

    Attributes:
        folder: Where the way ends.
    """

    def __init__(self, root: str, *, follow: bool = True) -> None:
        self._root = root
        self._follows = follow
        self._folders = [Folder.open(root)]
        self._opened = self._folders.copy()
        self._names: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for folder in self._opened:
            folder.close()

    @property
    def folder(self) -> Folder:
        return self._folders[-1]

    def at(self, name: str) -> str:
        """Return the path of a name in the folder, relative to the root."""
        return "/".join([*self._names, name])

    def to_name(self, parts: Sequence[str], *, make: int | None = None) -> str:
        """Walk up to the last part and return its name, which is no link in this folder.

        Args:
            parts: The components of the path.
            make: Mode that missing folders are made with; None to miss them.

        Raises:
            OutsideRootError: If the way leads out of the root, or nowhere but to the root.
            OSError: If a folder is missing, or may not be read.
        """
        pending = self._begin(parts)
        while pending:
            part = pending.popleft()
            if pending or part in {"", ".", ".."}:
                self._step(part, pending, make)
                continue
            target = self.folder.link_target(part)
            if target is None:
                return part
            self._follow(target, pending)
        if self._names:  # a link or `..` led to a folder: name it from the one above
            self._folders.pop()
            return self._names.pop()
        raise OutsideRootError(errno.EISDIR, f"{'/'.join(parts) or '.'} is the root itself")

    def to_folder(self, parts: Sequence[str], *, make: int | None = None) -> Folder:
        """Walk to a folder and return it.

        Raises:
            OutsideRootError: If the way leads out of the root.
            OSError: If a folder is missing, or may not be read.
        """
        pending = self._begin(parts)
        while pending:
            self._step(pending.popleft(), pending, make)
        return self.folder

    def take(self) -> Folder:
        """Return the folder where the way ends, which is no longer closed with the others."""
        self._opened.remove(self.folder)
        return self.folder

    def to_missing(self, parts: Sequence[str]) -> str:
        """Walk as far as there is something, and return the true path of the whole.

        What is missing is no link, so `..` after it only takes it away, as if it had been made.

        Raises:
            OutsideRootError: If the way leads out of the root, or nowhere but to the root.
            OSError: If what is there is no folder, or may not be read.
        """
        pending = self._begin(parts)
        missing: list[str] = []
        while pending:
            part = pending.popleft()
            if not missing:
                self._step_or_miss(part, pending, missing)
            elif part == "..":
                missing.pop()
            elif part not in {"", "."}:
                missing.append(part)
        names = [*self._names, *missing]
        if not names:
            raise OutsideRootError(errno.EISDIR, f"{'/'.join(parts) or '.'} is the root itself")
        return "/".join(names)

    def _step_or_miss(self, part: str, pending: deque[str], missing: list[str]) -> None:
        if pending or part in {"", ".", ".."}:
            try:
                self._step(part, pending, None)
            except FileNotFoundError:
                missing.append(part)
            return
        target = self.folder.link_target(part)
        if target is None:
            missing.append(part)  # a file, or nothing: either way the last of the names
        else:
            self._follow(target, pending)

    def _begin(self, parts: Sequence[str]) -> deque[str]:
        if len(parts) > MOST_PARTS:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), self._root)
        self._links = 0
        return deque(parts)

    def _step(self, part: str, pending: deque[str], make: int | None) -> None:
        if part in {"", "."}:
            return
        if part == "..":
            self._climb()
            return
        try:
            child = self.folder.child(part)
        except FileNotFoundError:
            if make is None:
                raise
            self.folder.make(part, make)
            child = self.folder.child(part)
        except OSError as error:
            target = self._link(part, error)
            self._follow(target, pending)
            return
        self._opened.append(child)
        self._folders.append(child)
        self._names.append(part)

    def _climb(self) -> None:
        if not self._names:
            raise OutsideRootError(errno.EXDEV, "the path leads out of its root")
        self._folders.pop()
        self._names.pop()

    def _link(self, part: str, error: OSError) -> str:
        target = None
        if error.errno in {errno.ENOTDIR, errno.ELOOP}:
            target = self.folder.link_target(part)
        if target is None:
            raise error
        return target

    def _follow(self, target: str, pending: deque[str]) -> None:
        if not self._follows:
            raise OutsideRootError(errno.ELOOP, f"there is a link in {self.folder.path}: {target}")
        self._links += 1
        if self._links > MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), self._root)
        path = PurePath(target)
        if path.anchor:
            if not path.is_relative_to(self._root):
                raise OutsideRootError(errno.EXDEV, f"a link leads out of the root: {target}")
            path = path.relative_to(self._root)
            del self._names[:], self._folders[1:]
        pending.extendleft(reversed(path.parts))

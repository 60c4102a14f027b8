"""The files of a repository, and the contents that they have had."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pegboard.errors import InputError
from pegboard_database import CorruptError
from pegboard_durable import OutsideRootError, Root
from pegboard_locking._checkout import Content
from pegboard_locking._error import FileMissingError

__all__ = ["FileRepository", "ObjectStore", "digest_of"]


class FileRepository:
    """The files of a folder. No name leads out of it, neither with `..` nor through a link.

    Args:
        repo_path: The folder; made where it is missing.

    Attributes:
        repo_path: The folder, absolute and without links.
        root: The same, for what is not said here.
    """

    def __init__(self, repo_path: str | os.PathLike[str]) -> None:
        self.root = Root(repo_path)
        self.repo_path = self.root.path

    def list_files(self, extension: str = ".mcam") -> list[dict[str, Any]]:
        """Return `name`, `size_bytes` and `modified` (seconds since 1970) of the folder's files.

        Args:
            extension: End of their names, whatever the case; empty for all files.
        """
        return [
            {"name": each.path, "size_bytes": each.stat.st_size, "modified": each.stat.st_mtime}
            for each in self.root.scan()
            if each.is_file and each.path.lower().endswith(extension.lower())
        ]

    def file_exists(self, filename: str) -> bool:
        """Whether there is such a file; False for a name that leads out of the folder."""
        try:
            found = self.root.find(filename)
        except OutsideRootError:
            return False
        return found is not None and found.is_file

    def get_file_path(self, filename: str) -> Path:
        """Return where a file is, whether it exists or not.

        Raises:
            InputError: If the name leads out of the folder.
        """
        return self.repo_path / self.name_of(filename)

    def read_file(self, filename: str) -> bytes:
        """Return the whole content of a file.

        Raises:
            FileMissingError: If there is none.
            InputError: If the name leads out of the folder.
            DurableError: If it cannot be read.
        """
        try:
            return self.root.read(self.name_of(filename))
        except (FileNotFoundError, IsADirectoryError) as error:
            msg = f"File not found: {filename}"
            raise FileMissingError(msg) from error

    def write_file(self, filename: str, content: bytes) -> None:
        """Give a file, new or old, this content: seen whole or not at all, and durable.

        Raises:
            InputError: If the name leads out of the folder.
            DurableError: If it cannot be written.
        """
        self.root.replace(self.name_of(filename), content)

    def name_of(self, filename: str) -> str:
        """Return the one name that all spellings of a file's name have in common.

        Raises:
            InputError: If the name leads out of the folder, or is empty.
        """
        try:
            name = self.root.locate(filename)
        except (OutsideRootError, FileNotFoundError, NotADirectoryError) as error:
            msg = f"{filename!r} is no file of this repository"
            raise InputError(msg) from error
        if not name or name == ".":
            msg = "a file of the repository needs a name"
            raise InputError(msg)
        return name


class ObjectStore:
    """Contents by their digest, each kept once and never changed.

    Args:
        path: The folder; made where it is missing.
    """

    def __init__(self, path: Path) -> None:
        self._root = Root(path, folder_mode=0o700, follow=False)

    def add(self, data: bytes) -> Content:
        """Keep a content, durably.

        Raises:
            DurableError: If it cannot be written.
        """
        digest = digest_of(data)
        try:
            self._root.create(_place(digest), data, mode=0o600)
        except FileExistsError:
            self.get(digest)  # a damaged one would be found too late
        return Content(digest, len(data))

    def get(self, digest: str) -> bytes:
        """Return a content.

        Raises:
            CorruptError: If it is damaged or missing.
        """
        try:
            content = self._root.read(_place(digest))
        except FileNotFoundError as error:
            msg = f"the content {digest[:12]} is missing: restore it from a backup"
            raise CorruptError(msg) from error
        if digest_of(content) != digest:
            msg = f"the content {digest[:12]} is damaged: restore it from a backup"
            raise CorruptError(msg)
        return content

    def remove(self, digest: str) -> int:
        """Remove a content and return its bytes, 0 where there was none.

        Raises:
            DurableError: If it cannot be removed.
        """
        found = self._root.find(_place(digest))
        if found is None or not self._root.remove(_place(digest), durable=False):
            return 0
        return found.stat.st_size

    def digests(self) -> Iterator[str]:
        """Yield the digests of all contents.

        Raises:
            DurableError: If the folder cannot be read.
        """
        for folder in self._root.scan():
            if folder.is_folder:
                for each in self._root.scan(folder.path):
                    yield each.path.replace("/", "")

    def sweep(self) -> None:
        """Remove what writers that were killed have left.

        Raises:
            DurableError: If the folder cannot be read or written.
        """
        self._root.sweep()


def digest_of(content: bytes) -> str:
    """Return the SHA-256 of a content, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _place(digest: str) -> str:
    return f"{digest[:2]}/{digest[2:]}"

"""`FileVersionManager`: the versions of the files below a folder, as its users call them."""

from __future__ import annotations

import difflib
import os
from functools import partial

from pegboard_files._error import FormatError, translated
from pegboard_files._metadata import FileMetadata
from pegboard_files._retention import Retention
from pegboard_files._thread import in_thread
from pegboard_files._vault import Vault
from pegboard_locking import FileLockManager

__all__ = ["FileVersionManager"]

PathLike = str | os.PathLike[str]


class FileVersionManager:
    """Keeps versions of files, each content once, in `.versions` of the folder.

    A path has one history, whatever way it is written and whatever else has the same name. Numbers
    begin at 1 and are given once, whoever asks at the same time.

    Args:
        base_path: The folder; made if it is missing.
        vault: Shares the files and locks of somebody else.
    """

    def __init__(
        self,
        base_path: PathLike = ".",
        *,
        lock_manager: FileLockManager | None = None,
        vault: Vault | None = None,
    ) -> None:
        self._vault = vault or Vault(base_path, lock_manager=lock_manager)

    def create_version(
        self,
        file_path: PathLike,
        *,
        algorithm: str = "sha256",
        author: str = "",
        comment: str = "",
    ) -> FileMetadata:
        """Keep what a file holds now as its next version.

        Raises:
            MissingError: If there is no such file.
            PathError: If the path leads out of the folder.
            TimeoutError: If somebody writes it for longer than the lock timeout.
            WriteError: If it cannot be kept.
        """
        return self._vault.keep(file_path, algorithm=algorithm, author=author, comment=comment)

    def list_versions(
        self, filename: PathLike, *, before: int | None = None, limit: int | None = None
    ) -> list[FileMetadata]:
        """Return the versions of a file from the oldest to the newest.

        Args:
            filename: The file; it may be gone.
            before: Only numbers below this one.
            limit: Only so many, the newest.

        Raises:
            PathError: If the path leads out of the folder.
        """
        with translated():
            name = self._vault.locate(filename)
            return self._vault.history.versions(name, before=before, limit=limit)

    def get_version(self, filename: PathLike, version: int) -> FileMetadata:
        """Return what is remembered about a version.

        Raises:
            MissingError: If there is none of that number.
            PathError: If the path leads out of the folder.
        """
        with translated():
            return self._vault.history.version(self._vault.locate(filename), version)

    def read_version(self, filename: PathLike, version: int) -> bytes:
        """Return the content of a version, checked.

        Raises:
            MissingError: If there is none of that number.
            DamagedError: If it is not what was kept.
            PathError: If the path leads out of the folder.
        """
        with translated():
            return self._vault.history.content(self._vault.locate(filename), version)

    def restore_version(
        self, filename: PathLike, version: int, target_path: PathLike | None = None
    ) -> FileMetadata:
        """Put the content of a version into its file or another one.

        What is there is kept as a version first, unless it is the newest one already.

        Raises:
            MissingError: If there is no such version.
            DamagedError: If it is damaged; the file stays as it is.
            PathError: If a path leads out of the folder.
            TimeoutError: If somebody holds the lock of the target.
            WriteError: If it cannot be written; the file stays as it is.
        """
        target = filename if target_path is None else target_path
        return self._vault.restore(filename, version, target)

    def diff_versions(
        self, filename: PathLike, old: int, new: int | None = None, *, context: int = 3
    ) -> str:
        """Return how two versions of a text differ, as a unified diff.

        Args:
            filename: The file.
            old: Number of a version.
            new: Number of another one; None for what the file holds now.
            context: Lines that are shown around a change.

        Raises:
            FormatError: If one of them is not UTF-8 text.
            MissingError: If there is no such version.
            DamagedError: If one is damaged.
        """
        from_title, from_lines = self._lines(filename, old)
        to_title, to_lines = self._lines(filename, new)
        return "".join(difflib.unified_diff(from_lines, to_lines, from_title, to_title, n=context))

    def tracked_files(self) -> list[str]:
        """Return the files that have versions, sorted.

        Raises:
            WriteError: If the folder cannot be read.
        """
        with translated():
            return self._vault.history.paths()

    def prune(
        self,
        filename: PathLike | None = None,
        *,
        last: int = 0,
        daily: int = 0,
        weekly: int = 0,
        monthly: int = 0,
        days: float = 0.0,
    ) -> list[tuple[str, int]]:
        """Take away the versions that no part of the rule keeps; the newest is always kept.

        Args:
            filename: The file; None for all.
            last: How many of the newest are kept.
            daily: For how many days, the newest of each that has any.
            weekly: For how many weeks, the newest of each.
            monthly: For how many months, the newest of each.
            days: All that are younger than so many days are kept.

        Returns:
            Path and number of each version that is gone.

        Raises:
            OptionError: If nothing is said about what to keep.
            WriteError: If the folder cannot be written.
        """
        rule = Retention(last=last, daily=daily, weekly=weekly, monthly=monthly, days=days)
        with translated():
            history = self._vault.history
            paths = history.paths() if filename is None else [self._vault.locate(filename)]
            return history.prune(paths, rule)

    def verify(self) -> list[str]:
        """Read everything that is kept, and say what is damaged and which versions it takes along.

        Raises:
            WriteError: If the folder cannot be read.
        """
        with translated():
            return self._vault.history.damaged()

    def rebuild_index(self) -> None:
        """Make the index anew from what is kept.

        Raises:
            WriteError: If the folder cannot be written.
        """
        self._vault.history.archive.rebuild()

    async def create_version_async(
        self, file_path: PathLike, *, author: str = "", comment: str = ""
    ) -> FileMetadata:
        """Keep what a file holds now, in a worker thread; see `create_version`.

        Raises:
            MissingError: If there is no such file.
            PathError: If the path leads out of the folder.
        """
        call = partial(self.create_version, file_path, author=author, comment=comment)
        return await in_thread(call)

    async def restore_version_async(
        self, filename: PathLike, version: int, target_path: PathLike | None = None
    ) -> FileMetadata:
        """Put the content of a version into a file, in a worker thread; see `restore_version`.

        Raises:
            MissingError: If there is no such version.
            DamagedError: If it is damaged; the file stays as it is.
        """
        return await in_thread(self.restore_version, filename, version, target_path)

    def _lines(self, filename: PathLike, version: int | None) -> tuple[str, list[str]]:
        if version is None:
            title = str(filename)
            content = self._vault.read(filename, algorithm="blake3", expected=None).content
        else:
            title = f"{filename} (version {version})"
            content = self.read_version(filename, version)
        try:
            return title, content.decode("utf-8").splitlines(keepends=True)
        except UnicodeDecodeError as error:
            raise FormatError(f"{title} is not UTF-8 text, and only text is compared") from error

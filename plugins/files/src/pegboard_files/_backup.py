"""`BackupManager`: backups of files and folders, as its users call them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from anyio import from_thread

from pegboard_files._backup_run import BackupRun
from pegboard_files._error import ExistsError, OptionError, translated
from pegboard_files._manifest import Backup, FileEntry
from pegboard_files._progress import Progress
from pegboard_files._repository import Repository
from pegboard_files._restore import Restore
from pegboard_files._retention import Retention
from pegboard_files._session import session
from pegboard_files._thread import in_thread_of_backups
from pegboard_files._vault import Vault
from pegboard_files._verification import verify
from pegboard_locking import FileLockManager

__all__ = ["BackupManager"]

PathLike = str | os.PathLike[str]
Watch = Callable[[Progress], None]


class BackupManager:
    """Backs files and folders up, and gives them back.

    A backup takes what has changed: contents are cut where they themselves say, and each piece is
    kept once for all backups. One that was interrupted goes on where it was when it is made again.

    Args:
        backup_path: The folder that backups are kept in; made if it is missing.
        base_path: The folder that all paths are below; the working directory by default.
        password: Encrypts the backups; needs `pegboard-files[encryption]`.
        lock_manager: The locks; by default those that all processes share.
        vault: Shares the files and locks of somebody else.
    """

    def __init__(
        self,
        backup_path: PathLike,
        *,
        base_path: PathLike = ".",
        password: str | None = None,
        lock_manager: FileLockManager | None = None,
        vault: Vault | None = None,
    ) -> None:
        self._vault = vault or Vault(base_path, lock_manager=lock_manager)
        self._path = Path(backup_path).absolute()
        self._password = password
        self._opening = Lock()
        self._opened: Repository | None = None

    def create_backup(
        self,
        file_paths: Sequence[PathLike],
        backup_name: str | None = None,
        *,
        progress: Watch | None = None,
    ) -> dict[str, Any]:
        """Back up files, and folders with all that is below them.

        Each file is read under its lock and as it was at one moment. One that cannot be read, or
        keeps changing, is named in `failed`; all others are in the backup.

        Args:
            file_paths: Paths below the base path.
            backup_name: Its name; by default made of the time.
            progress: Told how far it is, now and then.

        Returns:
            `name`, `timestamp`, `files` (each with `path`, `size`, `checksum` and `backup_path`),
            `total_size`, `added_size` (bytes that the folder of backups has grown by), `failed`
            (each with `path` and `error`) and `skipped` (pipes, sockets and devices).

        Raises:
            MissingError: If one of the paths is not there: no backup is made.
            ExistsError: If there is a backup of that name.
            PathError: If a path leads out of the base path.
            WriteError: If the backup cannot be written.
        """
        if isinstance(file_paths, str | os.PathLike):
            raise OptionError("file_paths is a list of paths")
        with translated():
            name = self._free_name(backup_name)
            run = BackupRun(self._vault, self._repository, name, progress or _ignore)
            return run.run(file_paths)

    def list_backups(self) -> list[dict[str, Any]]:
        """Return `name`, `timestamp`, `files`, `total_size`, `sources` and `failed` of each backup.

        The oldest comes first.

        Raises:
            KeyMismatchError: If the password is missing or wrong.
        """
        with translated():
            return [_described(backup) for _, backup in self._repository.backups()]

    def list_files(self, backup_name: str) -> list[dict[str, Any]]:
        """Return `path`, `kind`, `size`, `checksum` and `modified_at` of what is in a backup.

        Raises:
            MissingError: If there is no such backup.
            DamagedError: If its list of files is damaged.
        """
        with translated(), session(self._repository.archive) as kept:
            _, backup = self._repository.find(backup_name)
            return [_listed(entry) for entry in self._repository.entries(kept, backup)]

    def verify_backups(
        self, backup_name: str | None = None, *, progress: Watch | None = None
    ) -> list[str]:
        """Read all that backups hold, and say what is damaged and which files it takes along.

        Args:
            backup_name: One of them; None for all.
            progress: Told how far it is, now and then.

        Raises:
            MissingError: If there is no such backup.
            KeyMismatchError: If the password is missing or wrong.
        """
        with translated():
            names = None if backup_name is None else [self._repository.find(backup_name)[1].name]
            return verify(self._repository, names, progress or _ignore)

    def restore_backup(
        self,
        backup_name: str,
        target_path: PathLike | None = None,
        *,
        paths: Sequence[PathLike] | None = None,
        overwrite: bool = False,
        progress: Watch | None = None,
    ) -> dict[str, Any]:
        """Put files of a backup back, each checked and in one step.

        Files that are there already as they were are left alone.

        Args:
            backup_name: The backup.
            target_path: The folder to put them in; the base path by default.
            paths: Only these files and folders.
            overwrite: Whether files that are there with another content are replaced.
            progress: Told how far it is, now and then.

        Returns:
            `name`, `restored` and `unchanged` (paths), `files` (how many of those that were
            restored are neither folders nor links) and `failed` (each with `path` and `error`:
            files whose content is damaged; all others are restored).

        Raises:
            MissingError: If there is no such backup, or no such file in it.
            ExistsError: If files would be replaced and `overwrite` is not set; nothing is written.
            WriteError: If a file cannot be written.
        """
        with translated():
            vault = self._vault if target_path is None else Vault(target_path)
            restore = Restore(vault, self._repository, progress or _ignore)
            return restore.run(backup_name, paths, is_forced=overwrite)

    def delete_backup(self, backup_name: str) -> int:
        """Remove a backup; return by how many bytes the folder is smaller.

        Raises:
            MissingError: If there is no such backup.
        """
        with translated():
            return self._repository.remove([self._repository.find(backup_name)[0]])

    def prune(
        self,
        *,
        last: int = 0,
        daily: int = 0,
        weekly: int = 0,
        monthly: int = 0,
        days: float = 0.0,
    ) -> dict[str, Any]:
        """Remove the backups that no part of the rule keeps; the newest is always kept.

        Returns:
            `removed`, the names, and `freed_size`, by how many bytes the folder is smaller.

        Raises:
            OptionError: If nothing is said about what to keep.
            WriteError: If the folder cannot be written.
        """
        rule = Retention(last=last, daily=daily, weekly=weekly, monthly=monthly, days=days)
        with translated():
            backups = dict(self._repository.backups())
            times = {number: backup.created_at for number, backup in backups.items()}
            gone = sorted(times.keys() - rule.kept(times, time.time()))
            freed = self._repository.remove(gone)
            return {"removed": [backups[number].name for number in gone], "freed_size": freed}

    def close(self) -> None:
        """Close what is kept open; the next call opens it again."""
        if self._opened is not None:
            self._opened.archive.close()
            self._opened = None

    async def create_backup_async(
        self,
        file_paths: Sequence[PathLike],
        backup_name: str | None = None,
        *,
        progress: Watch | None = None,
    ) -> dict[str, Any]:
        """Make a backup in a worker thread; cancelling ends it between two pieces.

        Raises:
            MissingError: If one of the paths is not there: no backup is made.
            ExistsError: If there is a backup of that name.
        """
        watch = partial(_cancellable, progress or _ignore)
        call = partial(self.create_backup, file_paths, backup_name, progress=watch)
        return await in_thread_of_backups(call)

    async def restore_backup_async(
        self,
        backup_name: str,
        target_path: PathLike | None = None,
        *,
        paths: Sequence[PathLike] | None = None,
        overwrite: bool = False,
        progress: Watch | None = None,
    ) -> dict[str, Any]:
        """Put files of a backup back, in a worker thread; cancelling ends it between two files.

        Raises:
            MissingError: If there is no such backup, or no such file in it.
            ExistsError: If files would be replaced and `overwrite` is not set.
        """
        watch = partial(_cancellable, progress or _ignore)
        call = partial(
            self.restore_backup,
            backup_name,
            target_path,
            paths=paths,
            overwrite=overwrite,
            progress=watch,
        )
        return await in_thread_of_backups(call)

    @property
    def _repository(self) -> Repository:
        with self._opening:
            if self._opened is None:
                self._opened = Repository(self._path, self._password)
            return self._opened

    def _free_name(self, name: str | None) -> str:
        taken = {backup.name for _, backup in self._repository.backups()}
        if name is None:
            name = datetime.now(UTC).strftime("backup_%Y%m%d_%H%M%S")
            count = 2
            while name in taken:
                name = f"{name.partition('-')[0]}-{count}"
                count += 1
        if not name or "/" in name or "\0" in name:
            raise OptionError(f"a backup's name has at least one character and no slash: {name!r}")
        if name in taken:
            raise ExistsError(f"there is a backup {name!r} already; choose another name")
        return name


def _described(backup: Backup) -> dict[str, Any]:
    return {
        "name": backup.name,
        "timestamp": datetime.fromtimestamp(backup.created_at, UTC).isoformat(),
        "files": backup.files,
        "total_size": backup.total_size,
        "sources": backup.sources,
        "failed": [{"path": path, "error": error} for path, error in backup.failed],
    }


def _listed(entry: FileEntry) -> dict[str, Any]:
    return {
        "path": entry.path,
        "kind": entry.kind,
        "size": entry.size,
        "checksum": entry.checksum.hex(),
        "modified_at": datetime.fromtimestamp(entry.modified_ns / 1e9, UTC).isoformat(),
    }


def _ignore(progress: Progress) -> None:
    """Tell nobody."""


def _cancellable(watch: Watch, progress: Progress) -> None:
    from_thread.check_cancelled()
    watch(progress)

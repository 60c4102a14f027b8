"""One backup being made."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, BinaryIO

from pegboard.errors import PegboardError
from pegboard_durable import Item
from pegboard_files._chunk import chunks
from pegboard_files._error import MissingError, UnstableError, translated
from pegboard_files._manifest import CLOCK, Backup, FileEntry, Kind
from pegboard_files._progress import Progress
from pegboard_files._session import Session, session
from pegboard_files._vault import OWN_FOLDERS

if TYPE_CHECKING:
    from pegboard_files._repository import Repository
    from pegboard_files._vault import Vault

__all__ = ["BackupRun"]

ATTEMPTS = 5  # to read a file that is being written
CHECKPOINT = 256 * 1024 * 1024  # bytes after which what there is of a backup is kept


class BackupRun:
    """Makes one backup.

    Args:
        vault: Where the files are.
        repository: Where the backup goes.
        name: Its name, which is free.
        watch: Told how far it is.
    """

    def __init__(
        self,
        vault: Vault,
        repository: Repository,
        name: str,
        watch: Callable[[Progress], None],
    ) -> None:
        self._vault = vault
        self._repository = repository
        self._name = name
        self._watch = watch
        self._entries: list[FileEntry] = []
        self._failed: list[tuple[str, str]] = []
        self._skipped: list[str] = []
        self._done = self._since_checkpoint = 0
        self._total = self._total_files = 0

    def run(self, paths: Sequence[str | os.PathLike[str]]) -> dict[str, Any]:
        """Make the backup and return what `BackupManager.create_backup` does.

        Raises:
            MissingError: If a path is not there.
            PathError: If a path leads out of the base path.
            OSError: If the backup cannot be written.
        """
        began = time.time()
        sources = self._sources(paths)
        items = list({item.path: item for each in sources for item in self._below(each)}.values())
        self._total = sum(item.stat.st_size for item in items if item.is_file)
        self._total_files = sum(item.is_file for item in items)
        before = self._repository.archive.statistics().size
        names = [source.path for source in sources]
        with session(self._repository.archive) as kept:
            kept.remember()
            known = self._repository.known(kept)
            for item in items:
                self._take(kept, item, known.get(item.path))
                if self._since_checkpoint > CHECKPOINT:
                    self._repository.add_unfinished(kept, self._backup(began, names), self._entries)
                    self._since_checkpoint = 0
            self._repository.add(kept, self._backup(began, names), self._entries)
        added = self._repository.archive.statistics().size - before
        return self._result(began, added)

    def _sources(self, paths: Sequence[str | os.PathLike[str]]) -> list[Item]:
        root = self._vault.root
        found = [(path, root.find(path)) for path in paths if not self._is_root(path)]
        missing = [str(path) for path, item in found if item is None]
        if missing:
            raise MissingError(f"no backup was made, since these are missing: {', '.join(missing)}")
        items = [item for _, item in found if item is not None]
        return items if len(items) == len(paths) else root.scan()

    def _is_root(self, path: str | os.PathLike[str]) -> bool:
        pure = PurePath(path)
        return pure == PurePath() or pure == self._vault.root.path

    def _below(self, item: Item) -> Iterator[Item]:
        """Yield what is in a folder, each folder before what is in it; with no recursion."""
        found = [item]
        while found:
            each = found.pop()
            if each.path in OWN_FOLDERS or self._is_repository(each):
                continue
            yield each
            if each.is_folder:
                found += reversed(self._listed(each.path))

    def _is_repository(self, item: Item) -> bool:
        return self._vault.root.path / item.path == self._repository.folder

    def _listed(self, path: str) -> list[Item]:
        try:
            with translated():
                return self._vault.root.scan(path)
        except (PegboardError, OSError) as error:
            self._failed.append((path, str(error)))
            return []

    def _take(self, kept: Session, item: Item, known: FileEntry | None) -> None:
        if item.is_folder:
            self._entries.append(_entry(item.path, "folder", item.stat))
        elif item.is_link:
            self._take_link(item)
        elif not item.is_file:
            self._skipped.append(item.path)
        elif known is not None and known.kind == "file" and known.is_same(item.stat):
            self._entries.append(known)
            self._tell(item.path, known.size)
        else:
            self._take_contained(kept, item)

    def _take_link(self, item: Item) -> None:
        try:
            target = os.readlink(self._vault.root.path / item.path)
        except OSError as error:
            self._failed.append((item.path, str(error)))
        else:
            self._entries.append(_entry(item.path, "link", item.stat, target=target))

    def _take_contained(self, kept: Session, item: Item) -> None:
        """Read a file; if it cannot be read, all others are backed up all the same."""
        before = self._done
        try:
            with translated():
                self._entries.append(self._read(kept, item.path))
        except PegboardError as error:
            if kept.is_broken:
                raise  # it is the backup that cannot be written
            self._failed.append((item.path, str(error)))
            self._done = before
            self._tell(item.path, item.stat.st_size)

    def _read(self, kept: Session, path: str) -> FileEntry:
        entry = self._read_quiet(kept, path)
        if entry is not None:
            return entry
        for _ in range(ATTEMPTS):
            with self._vault.locked(path, "shared"):
                entry = self._read_once(kept, path)
            if entry is not None:
                return entry
        raise UnstableError(f"{path} was changed each of the {ATTEMPTS} times that it was read")

    def _read_quiet(self, kept: Session, path: str) -> FileEntry | None:
        """Read a file that nobody seems to write, which is most files, without taking its lock.

        Whoever had the lock while it was read and has it no longer when that is asked has written
        before its state is looked at again. None if that may not be so.
        """
        whole = self._vault.root.path / path
        if whole.stat().st_ctime > time.time() - CLOCK:
            return None
        return self._read_once(kept, path, is_free=lambda: not self._vault.locks.is_locked(whole))

    def _read_once(
        self, kept: Session, path: str, is_free: Callable[[], bool] | None = None
    ) -> FileEntry | None:
        done = self._done
        with self._vault.root.open(path) as file:
            before = os.fstat(file.fileno())
            names, checksum = self._read_chunks(kept, file, path)
            if is_free is None or is_free():
                after = os.fstat(file.fileno())
                if _state(before) == _state(after):
                    return _entry(path, "file", after, chunks=names, checksum=checksum)
        self._done = done
        return None

    def _read_chunks(self, kept: Session, file: BinaryIO, path: str) -> tuple[list[bytes], bytes]:
        checksum = hashlib.sha256()
        names = []
        for chunk in chunks(file):
            checksum.update(chunk)
            names.append(kept.put(chunk))
            self._since_checkpoint += len(chunk)
            self._tell(path, len(chunk))
        return names, checksum.digest()

    def _tell(self, path: str, size: int) -> None:
        self._done += size
        self._watch(
            Progress(
                path=path,
                files=len(self._entries),
                total_files=self._total_files,
                size=self._done,
                total_size=self._total,
            )
        )

    def _backup(self, began: float, sources: list[str]) -> Backup:
        files = [entry for entry in self._entries if entry.kind == "file"]
        return Backup(
            name=self._name,
            created_at=began,
            sources=sources,
            blocks=[],
            files=len(files),
            total_size=sum(entry.size for entry in files),
            failed=self._failed,
        )

    def _result(self, began: float, added: int) -> dict[str, Any]:
        files = [
            {
                "path": entry.path,
                "size": entry.size,
                "checksum": entry.checksum.hex(),
                "backup_path": f"{self._name}/{entry.path}",
            }
            for entry in self._entries
            if entry.kind == "file"
        ]
        return {
            "name": self._name,
            "timestamp": datetime.fromtimestamp(began, UTC).isoformat(),
            "files": files,
            "total_size": sum(entry.size for entry in self._entries),
            "added_size": added,
            "failed": [{"path": path, "error": error} for path, error in self._failed],
            "skipped": self._skipped,
        }


def _state(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _entry(
    path: str,
    kind: Kind,
    stat: os.stat_result,
    *,
    chunks: Sequence[bytes] = (),
    checksum: bytes = b"",
    target: str = "",
) -> FileEntry:
    return FileEntry(
        path=path,
        kind=kind,
        mode=stat.st_mode,
        modified_ns=stat.st_mtime_ns,
        changed_ns=stat.st_ctime_ns,
        inode=stat.st_ino,
        owner=(stat.st_uid, stat.st_gid),
        size=stat.st_size if kind == "file" else 0,
        checksum=checksum,
        chunks=chunks,
        target=target,
    )

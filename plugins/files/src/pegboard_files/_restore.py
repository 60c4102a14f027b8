"""Files of a backup being put back."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from pegboard_files._checksum import feed
from pegboard_files._error import DamagedError, ExistsError, MissingError, PathError
from pegboard_files._landing import Landing, mode_of
from pegboard_files._manifest import FileEntry
from pegboard_files._progress import Progress
from pegboard_files._session import Session, session
from pegboard_files._vault import OWN_FOLDERS

if TYPE_CHECKING:
    from pegboard_files._repository import Repository
    from pegboard_files._vault import Vault

__all__ = ["Restore"]

_SHOWN = 5  # names in a message
_CHUNK = 1024 * 1024  # bytes


class Restore:
    """Puts files back.

    Args:
        vault: Where they go.
        repository: Where they come from.
        watch: Told how far it is.
    """

    def __init__(
        self, vault: Vault, repository: Repository, watch: Callable[[Progress], None]
    ) -> None:
        self._vault = vault
        self._repository = repository
        self._watch = watch
        self._is_forced = False
        self._new: set[str] = set()
        self._restored: list[str] = []
        self._files = 0
        self._failed: list[dict[str, str]] = []

    def run(
        self, name: str, paths: Sequence[str | os.PathLike[str]] | None, *, is_forced: bool
    ) -> dict[str, Any]:
        """Put the files back and return what `BackupManager.restore_backup` does.

        Raises:
            MissingError: If there is no such backup, or no such file in it.
            ExistsError: If a file would be replaced and that is not forced; nothing is written,
                but for what was put in place before another program made the file.
            OSError: If a file cannot be written.
        """
        self._is_forced = is_forced
        with session(self._repository.archive) as kept, Landing(self._vault) as landing:
            kept.remember()
            _, backup = self._repository.find(name)
            entries = _chosen(self._repository.entries(kept, backup), paths, name)
            self._new = {entry.path for entry in entries if _is_new(landing, entry)}
            unchanged = {entry.path for entry in entries if self._is_there(entry)}
            wanted = [entry for entry in entries if entry.path not in unchanged]
            if not is_forced:
                self._refuse_replacing(wanted)
            self._put_all(kept, landing, wanted)
        return {
            "name": name,
            "restored": self._restored,
            "files": self._files,
            "unchanged": sorted(unchanged),
            "failed": self._failed,
        }

    def _put_all(self, kept: Session, landing: Landing, entries: Sequence[FileEntry]) -> None:
        total = sum(entry.size for entry in entries)
        done = 0
        for number, entry in enumerate(entries):
            self._put(kept, landing, entry)
            done += entry.size
            self._watch(
                Progress(
                    path=entry.path,
                    files=number + 1,
                    total_files=len(entries),
                    size=done,
                    total_size=total,
                )
            )
        for entry in reversed(entries):
            if entry.kind == "folder":  # once nothing is written into it any more
                self._finish_folder(entry)
        if sys.platform != "win32":
            os.sync()  # one for all of them

    def _put(self, kept: Session, landing: Landing, entry: FileEntry) -> None:
        root = self._vault.root
        if entry.kind == "folder":
            root.make_folder(entry.path)
        elif entry.kind == "link":
            root.make_link(entry.path, entry.target, durable=False)
        else:
            try:
                is_new = entry.path in self._new
                if not is_new or not landing.put_new(kept, entry):
                    landing.put(kept, entry, is_new=is_new and not self._is_forced)
            except DamagedError as error:
                self._failed.append({"path": entry.path, "error": str(error)})
                return
            except FileExistsError as error:
                msg = f"{entry.path} was made by somebody else meanwhile; say overwrite"
                raise ExistsError(msg) from error
        self._restored.append(entry.path)
        self._files += entry.kind == "file"

    def _finish_folder(self, entry: FileEntry) -> None:
        with (
            suppress(FileNotFoundError, NotADirectoryError),  # somebody has put it elsewhere since
            self._vault.root.place(entry.path) as place,
        ):
            place.set_state(mode=mode_of(entry), modified_ns=entry.modified_ns)

    def _is_there(self, entry: FileEntry) -> bool:
        if entry.path.partition("/")[0] in OWN_FOLDERS:
            raise PathError(f"{entry.path} is kept for versions and backups")
        if entry.path in self._new:
            return False
        path = self._vault.root.path / entry.path
        if entry.kind == "link":
            return path.is_symlink() and str(path.readlink()) == entry.target
        if entry.kind == "folder" or path.is_symlink():
            return False
        found = self._vault.root.find(entry.path)
        if found is None or not found.is_file or found.stat.st_size != entry.size:
            return False
        with self._vault.root.open(entry.path) as file:
            return feed(file, "sha256", _CHUNK) == entry.checksum.hex()

    def _refuse_replacing(self, entries: Sequence[FileEntry]) -> None:
        root = self._vault.root.path
        taken = [
            entry.path
            for entry in entries
            if entry.kind != "folder"
            and entry.path not in self._new
            and os.path.lexists(root / entry.path)
        ]
        if taken:
            shown = ", ".join(taken[:_SHOWN]) + (", ..." if len(taken) > _SHOWN else "")
            msg = f"{len(taken)} files are there with another content: {shown}; say overwrite"
            raise ExistsError(msg)


def _is_new(landing: Landing, entry: FileEntry) -> bool:
    """Whether there is surely nothing yet where a file goes; what is unsure is looked at closer."""
    try:
        return entry.kind == "file" and landing.is_free(entry.path)
    except OSError:
        return False


def _chosen(
    entries: Any, paths: Sequence[str | os.PathLike[str]] | None, name: str
) -> list[FileEntry]:
    found: list[FileEntry] = list(entries)
    if paths is None:
        return found
    wanted = {PurePath(os.path.normpath(path)).as_posix() for path in paths}
    seen: set[str] = set()
    chosen = []
    for entry in found:
        pure = PurePath(entry.path)
        reasons = wanted & {pure.as_posix(), *(each.as_posix() for each in pure.parents)}
        if reasons:
            seen |= reasons
            chosen.append(entry)
    if wanted - seen:
        raise MissingError(f"not in backup {name!r}: {', '.join(sorted(wanted - seen))}")
    return chosen

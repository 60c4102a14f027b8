"""The folder that backups are kept in: an archive, encrypted if it was begun so."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from pegboard_durable import Root
from pegboard_files._archive import Archive
from pegboard_files._compaction import compact, drop
from pegboard_files._error import (
    DamagedError,
    ExistsError,
    FormatError,
    KeyMismatchError,
    MissingError,
)
from pegboard_files._manifest import (
    CLOCK,
    Backup,
    FileEntry,
    decode_backup,
    decode_block,
    encode_backup,
    encode_blocks,
)
from pegboard_files._seal import Lock, Seal
from pegboard_files._session import Session, session

__all__ = ["Repository"]

_SETTINGS = "backups.json"
_FORMAT = 1


class _Settings(msgspec.Struct, frozen=True, kw_only=True):
    format: int = _FORMAT
    lock: Lock | None = None


class Repository:
    """Keeps backups and the contents of their files.

    Args:
        folder: Made, for its owner only, if it is missing.
        password: Encrypts a folder that is begun, and opens one that was begun so.

    Attributes:
        folder: The same.
        archive: What everything is kept in.

    Raises:
        KeyMismatchError: If a password is missing, wrong, or given for what is not encrypted.
        FormatError: If the folder was begun by a newer version.
        OSError: If the folder can be neither read nor made.
    """

    def __init__(self, folder: str | os.PathLike[str], password: str | None = None) -> None:
        root = Root(folder, folder_mode=0o700)
        self.folder: Path = root.path
        self.archive = Archive(root.path, seal=_seal(root, password))
        self._backups = self.archive.key("backups")
        self._unfinished = self.archive.key("unfinished")

    def backups(self) -> list[tuple[int, Backup]]:
        """Return number and description of each backup, the oldest first."""
        return self._entries(self._backups)

    def find(self, name: str) -> tuple[int, Backup]:
        """Return number and description of a backup.

        Raises:
            MissingError: If there is none of that name.
        """
        for number, backup in self.backups():
            if backup.name == name:
                return number, backup
        raise MissingError(f"there is no backup {name!r} in {self.folder}; list them to see which")

    def entries(self, kept: Session, backup: Backup) -> Iterator[FileEntry]:
        """Yield what a backup says about its files.

        Raises:
            DamagedError: If a part of that is damaged.
        """
        for block in backup.blocks:
            try:
                yield from decode_block(kept.get(block))
            except DamagedError as error:
                msg = f"a part of the list of files of backup {backup.name!r} is lost: {error}"
                raise DamagedError(msg) from error

    def known(self, kept: Session) -> dict[str, FileEntry]:
        """Return what the last backup, and the unfinished ones after it, say about files.

        What was changed shortly before is left out: the clock of the file system may not tell a
        later change from that one. So is what has lost a part of its content.
        """
        found: dict[str, FileEntry] = {}
        for _, backup in [*self.backups()[-1:], *self._entries(self._unfinished)]:
            settled = (backup.created_at - CLOCK) * 1e9
            try:
                for entry in self.entries(kept, backup):
                    if entry.changed_ns < settled and all(map(kept.has, entry.chunks)):
                        found[entry.path] = entry
            except DamagedError:
                continue  # these files are read again
        return found

    def add(self, kept: Session, backup: Backup, entries: Iterable[FileEntry]) -> None:
        """Keep a backup; it is there, whole, when this returns.

        Raises:
            ExistsError: If there is one of that name.
            OSError: If it cannot be written.
        """
        finished = self._entries(self._unfinished)
        encoded = _encoded(kept, backup, entries)
        kept.commit(self._backups, encoded, unless=lambda: self._refuse_second(kept, backup.name))
        if finished:
            drop(self.archive, self._unfinished, [number for number, _ in finished])

    def add_unfinished(self, kept: Session, backup: Backup, entries: Iterable[FileEntry]) -> None:
        """Keep what there is of a backup, so that one after a crash need not read it again.

        Raises:
            OSError: If it cannot be written.
        """
        kept.commit(self._unfinished, _encoded(kept, backup, entries))

    def remove(self, numbers: list[int]) -> int:
        """Remove backups and what only they need; return by how many bytes the folder is smaller.

        Raises:
            DamagedError: If the list of files of another backup is damaged; nothing is removed.
            OSError: If the folder cannot be written.
        """
        if numbers:
            drop(self.archive, self._backups, numbers)
        return compact(self.archive, self._references)

    def _entries(self, key: bytes) -> list[tuple[int, Backup]]:
        with session(self.archive) as kept:
            return self._entries_in(kept, key)

    def _entries_in(self, kept: Session, key: bytes) -> list[tuple[int, Backup]]:
        return [
            (entry.number, decode_backup(kept.opened(key, entry.number, entry.content)))
            for entry in self.archive.index.entries(key)
        ]

    def _refuse_second(self, kept: Session, name: str) -> None:
        if any(each.name == name for _, each in self._entries_in(kept, self._backups)):
            raise ExistsError(f"there is a backup {name!r} already; choose another name")

    def _references(
        self, kept: Session, key: bytes, number: int, content: bytes
    ) -> Iterator[bytes]:
        backup = decode_backup(kept.opened(key, number, content))
        yield from backup.blocks
        for entry in self.entries(kept, backup):
            yield from entry.chunks


def _encoded(kept: Session, backup: Backup, entries: Iterable[FileEntry]) -> bytes:
    blocks = [kept.put(block) for block in encode_blocks(entries)]
    return encode_backup(msgspec.structs.replace(backup, blocks=blocks))


def _seal(root: Root, password: str | None) -> Seal | None:
    try:
        settings = msgspec.json.decode(root.read(_SETTINGS), type=_Settings)
    except FileNotFoundError:
        return _begin(root, password)
    except msgspec.DecodeError as error:
        raise FormatError(f"{root.path / _SETTINGS} is damaged: {error}") from error
    if settings.format != _FORMAT:
        msg = f"{root.path} was written by a newer version; upgrade pegboard-files"
        raise FormatError(msg)
    if settings.lock is None:
        if password is not None:
            raise KeyMismatchError(f"the backups in {root.path} are not encrypted: no password")
        return None
    if password is None:
        raise KeyMismatchError(f"the backups in {root.path} are encrypted: give the password")
    from pegboard_files._encryption import unlock  # here, since most backups are not encrypted

    return unlock(settings.lock, password)


def _begin(root: Root, password: str | None) -> Seal | None:
    lock, seal = _locked(password)
    try:
        root.create(_SETTINGS, msgspec.json.encode(_Settings(lock=lock)), mode=0o600)
    except FileExistsError:
        return _seal(root, password)  # another process was faster
    return seal


def _locked(password: str | None) -> tuple[Lock | None, Seal | None]:
    if password is None:
        return None, None
    from pegboard_files._encryption import new_lock

    return new_lock(password)

"""Files below a folder, read and written under locks, with their versions."""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import BinaryIO, Literal

import msgspec

from pegboard_durable import Root
from pegboard_files._checksum import checksum_of, feed, new_hasher
from pegboard_files._error import IntegrityError, OptionError, PathError, translated
from pegboard_files._history import History
from pegboard_files._metadata import FileMetadata
from pegboard_locking import FileLockManager

__all__ = ["OWN_FOLDERS", "Read", "Vault", "Written", "require_checksum", "timestamp"]

OWN_FOLDERS = (".versions", ".backups")
MOST_SWEPT = 10_000  # folders that are remembered
_CHUNK = 1024 * 1024  # bytes


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a write.

    Attributes:
        path: True path of the file below the base path.
        size: Bytes.
        checksum: Digest of the content.
        version: Number under which the content before was kept; None where there was none.
    """

    path: str
    size: int
    checksum: str
    version: int | None


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """What was read.

    Attributes:
        content: The bytes.
        checksum: Their digest.
    """

    content: bytes
    checksum: str


class Vault:
    """Reads and writes files of one folder.

    Args:
        base_path: The folder; made if it is missing.
        lock_manager: The locks; those of all processes by default.
        lock_timeout: Seconds to wait for a lock.

    Attributes:
        root: The folder.
        history: The versions.
        locks: The locks.
    """

    def __init__(
        self,
        base_path: str | os.PathLike[str],
        *,
        lock_manager: FileLockManager | None = None,
        lock_timeout: float = 10.0,
    ) -> None:
        with translated():
            self.root = Root(base_path)
        self.locks = FileLockManager() if lock_manager is None else lock_manager
        versions = self.root.path / ".versions"
        self.history = History(self.root, versions, patience=lock_timeout)
        self._timeout = lock_timeout
        self._swept: set[str] = set()

    def locate(self, path: str | os.PathLike[str]) -> str:
        """Return the true path of a file below the base path.

        Raises:
            PathError: If it leads out of it, or to where versions or backups are kept.
        """
        found = self.root.locate(path)
        if found.partition("/")[0] in OWN_FOLDERS:
            raise PathError(f"{found} is kept for versions and backups")
        return found

    @contextmanager
    def locked(self, path: str, kind: Literal["shared", "exclusive"]) -> Iterator[None]:
        """Hold the lock of a file, given by its true path.

        Raises:
            TimeoutError: If others held it for all of the timeout.
        """
        with self.locks.acquire_lock(self.root.path / path, kind, timeout=self._timeout):
            yield

    def write(
        self,
        path: str | os.PathLike[str],
        content: bytes,
        *,
        is_versioned: bool,
        is_verified: bool,
        algorithm: str,
    ) -> Written:
        """Replace the content of a file, keeping the one before.

        Raises:
            OptionError: If the algorithm is unknown.
            PathError: If the path leads out of the base path.
            IntegrityError: If what was written does not read back the same; the old content stays.
            WriteError: If it cannot be written; the old content stays.
        """
        new_hasher(algorithm)
        with translated():
            name = self.locate(path)
            with self.locked(name, "exclusive"):
                kept = self._keep(name, algorithm) if is_versioned else None
                checksum = checksum_of(content, algorithm)
                with self.root.writing(name) as file:
                    file.write(content)
                    if is_verified:
                        _verify(file, name, checksum, algorithm)
            self._sweep(os.path.dirname(name))
        version = None if kept is None else kept.version
        return Written(path=name, size=len(content), checksum=checksum, version=version)

    def read(self, path: str | os.PathLike[str], *, algorithm: str, expected: str | None) -> Read:
        """Return the content of a file.

        Raises:
            MissingError: If there is none.
            PathError: If the path leads out of the base path.
            IntegrityError: If its checksum is another one than expected.
            WriteError: If it cannot be read.
        """
        new_hasher(algorithm)
        with translated():
            name = self.locate(path)
            with self.locked(name, "shared"):
                content = self.root.read(name)
        checksum = checksum_of(content, algorithm)
        if expected is not None and not hmac.compare_digest(checksum, expected.lower()):
            msg = (
                f"{name} has the {algorithm} checksum {checksum} and not {expected}: it was changed"
                " or damaged; an earlier version can be restored"
            )
            raise IntegrityError(msg)
        return Read(content=content, checksum=checksum)

    def checksum(self, path: str | os.PathLike[str], algorithm: str) -> str:
        """Return the digest of a file.

        Raises:
            MissingError: If there is none.
            PathError: If the path leads out of the base path.
        """
        with translated():
            name = self.locate(path)
            with self.locked(name, "shared"), self.root.open(name) as file:
                return feed(file, algorithm, _CHUNK)

    def keep(
        self, path: str | os.PathLike[str], *, algorithm: str, author: str = "", comment: str = ""
    ) -> FileMetadata:
        """Keep what a file holds now as its next version.

        Raises:
            MissingError: If there is no such file.
            PathError: If the path leads out of the base path.
        """
        with translated():
            name = self.locate(path)
            with self.locked(name, "shared"):
                return self.history.keep(name, algorithm=algorithm, author=author, comment=comment)

    def restore(
        self, path: str | os.PathLike[str], number: int, target: str | os.PathLike[str]
    ) -> FileMetadata:
        """Put the content of a version into a file; what that file held is kept as a version.

        Raises:
            MissingError: If there is no such version.
            DamagedError: If it is damaged; the file stays as it is.
            PathError: If a path leads out of the base path.
            WriteError: If it cannot be written; the file stays as it is.
        """
        with translated():
            source, name = self.locate(path), self.locate(target)
            with self.locked(name, "exclusive"):
                found = self.history.version(source, number)
                self._keep(name, found.checksum_algorithm, unless=found)
                with self.root.writing(name) as file:
                    self.history.write_to(file, source, number)
        return found

    def _sweep(self, folder: str) -> None:
        """Remove what writers that were killed have left, once for each folder."""
        if folder in self._swept:
            return
        if len(self._swept) >= MOST_SWEPT:
            self._swept.clear()
        self._swept.add(folder)
        with suppress(OSError):  # the write is done; a folder that cannot be listed keeps them
            self.root.sweep(folder, is_deep=False)

    def _keep(
        self, name: str, algorithm: str, *, unless: FileMetadata | None = None
    ) -> FileMetadata | None:
        try:
            if unless is not None and self._is_kept(name, algorithm):
                return None
            return self.history.keep(name, algorithm=algorithm)
        except FileNotFoundError:
            return None

    def _is_kept(self, name: str, algorithm: str) -> bool:
        """Whether what a file holds is its last version already."""
        latest = self.history.latest(name)
        if latest is None or latest.checksum_algorithm != algorithm:
            return False
        with self.root.open(name) as file:
            return feed(file, algorithm, _CHUNK) == latest.checksum


def timestamp() -> str:
    """Return the present moment as ISO 8601, in UTC."""
    return datetime.now(UTC).isoformat()


def require_checksum(expected: str | None, *, is_verified: bool) -> str | None:
    """Return the checksum to compare with, None for none.

    Raises:
        OptionError: If one is needed and missing: nothing would be verified.
    """
    if not is_verified:
        return None
    if not expected:
        raise OptionError("verify_integrity needs expected_checksum: there is nothing to compare")
    return expected


def _verify(file: BinaryIO, name: str, checksum: str, algorithm: str) -> None:
    file.flush()
    file.seek(0)
    if feed(file, algorithm, _CHUNK) != checksum:
        raise IntegrityError(f"{name} does not read back as it was written; it is left as it was")

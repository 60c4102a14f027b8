"""`AdvancedFileHandler`: files, locks, versions and backups of one folder."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from pegboard.errors import PegboardError
from pegboard_files._async_file import AsyncFileHandler
from pegboard_files._awaitable import AwaitableDict
from pegboard_files._backup import BackupManager
from pegboard_files._batch import run_batch
from pegboard_files._error import FormatError, OptionError
from pegboard_files._metadata import FileMetadata
from pegboard_files._thread import in_thread
from pegboard_files._vault import Vault, require_checksum, timestamp
from pegboard_files._version import FileVersionManager
from pegboard_locking import FileLockManager

__all__ = ["AdvancedFileHandler"]

PathLike = str | os.PathLike[str]
BATCH_THREADS = 8


class AdvancedFileHandler:
    """Reads and writes files below a folder: whole or not at all, locked, with versions.

    Calls without `async` block for as long as the disk and the locks take; on an event loop, use
    those that end with `_async`.

    Args:
        base_path: The folder; made if it is missing. The working directory by default.
        lock_manager: The locks; by default those that all processes share.
        lock_timeout: Seconds to wait for a lock.

    Attributes:
        lock_manager: The same.
        version_manager: The versions of its files.
        backup_manager: The backups of its files.
        async_handler: Plain reading and writing for asynchronous code.

    Raises:
        WriteError: If the folder cannot be made.
    """

    def __init__(
        self,
        base_path: PathLike | None = None,
        *,
        lock_manager: FileLockManager | None = None,
        lock_timeout: float = 10.0,
    ) -> None:
        folder = "." if base_path is None else base_path
        self._vault = Vault(folder, lock_manager=lock_manager, lock_timeout=lock_timeout)
        self.base_path = self._vault.root.path
        self.lock_manager = self._vault.locks
        self.version_manager = FileVersionManager(vault=self._vault)
        self.backup_manager = BackupManager(self.base_path / ".backups", vault=self._vault)
        self.async_handler = AsyncFileHandler(self._vault)

    def secure_write(
        self,
        file_path: PathLike,
        content: str | bytes | Mapping[str, Any] | Sequence[Any],
        create_version: bool = True,  # noqa: FBT001, FBT002  # the documented signature
        verify_integrity: bool = True,  # noqa: FBT001, FBT002  # the same
        algorithm: str = "sha256",
    ) -> AwaitableDict:
        """Replace the content of a file in one step that survives a crash.

        Args:
            file_path: The file; missing folders are made.
            content: Text (kept as UTF-8), bytes, or what is to be kept as JSON.
            create_version: Whether to keep the content before, if there is any.
            verify_integrity: Whether to read back what was written before it takes its place.
            algorithm: One of md5, sha1, sha256, sha512, blake2b and blake3.

        Returns:
            `file_path`, `size` in bytes, `checksum`, `version_created`, `version` (its number or
            None) and `timestamp`. It may be awaited, for code that does; the work is done by then.

        Raises:
            OptionError: If the algorithm is unknown.
            PathError: If the path leads out of the folder.
            IntegrityError: If what was written does not read back; the old content stays.
            TimeoutError: If others hold the lock for too long.
            WriteError: If it cannot be written; the old content stays.
        """
        written = self._vault.write(
            file_path,
            _as_bytes(content),
            is_versioned=create_version,
            is_verified=verify_integrity,
            algorithm=algorithm,
        )
        return AwaitableDict(
            file_path=str(file_path),
            size=written.size,
            checksum=written.checksum,
            version_created=written.version is not None,
            version=written.version,
            timestamp=timestamp(),
        )

    def secure_read(
        self,
        file_path: PathLike,
        verify_integrity: bool = False,  # noqa: FBT001, FBT002  # the documented signature
        expected_checksum: str | None = None,
        algorithm: str = "sha256",
        *,
        binary: bool = False,
    ) -> dict[str, Any]:
        """Return the content of a file.

        Args:
            file_path: The file.
            verify_integrity: Whether to compare its checksum.
            expected_checksum: The checksum that it should have.
            algorithm: Which checksum that is.
            binary: Whether `content` is bytes; else it is UTF-8 text.

        Returns:
            `content`, `size` in bytes, `checksum` and `timestamp`.

        Raises:
            MissingError: If there is none.
            PathError: If the path leads out of the folder.
            IntegrityError: If the checksum is another one.
            FormatError: If it is no UTF-8 text and `binary` is not set.
            OptionError: If there is no checksum to compare with.
            TimeoutError: If somebody writes it for too long.
            WriteError: If it cannot be read.
        """
        expected = require_checksum(expected_checksum, is_verified=verify_integrity)
        read = self._vault.read(file_path, algorithm=algorithm, expected=expected)
        content = read.content if binary else _as_text(read.content, str(file_path))
        return {
            "content": content,
            "size": len(read.content),
            "checksum": read.checksum,
            "timestamp": timestamp(),
        }

    async def secure_write_async(
        self,
        file_path: PathLike,
        content: str | bytes | Mapping[str, Any] | Sequence[Any],
        create_version: bool = True,  # noqa: FBT001, FBT002  # as `secure_write`
        verify_integrity: bool = True,  # noqa: FBT001, FBT002  # the same
        algorithm: str = "sha256",
    ) -> dict[str, Any]:
        """Replace the content of a file, in a worker thread; see `secure_write`.

        Cancelling waits for a write that has begun.

        Raises:
            PathError: If the path leads out of the folder.
            WriteError: If it cannot be written; the old content stays.
        """
        return await in_thread(
            self.secure_write, file_path, content, create_version, verify_integrity, algorithm
        )

    async def secure_read_async(
        self,
        file_path: PathLike,
        verify_integrity: bool = False,  # noqa: FBT001, FBT002  # as `secure_read`
        expected_checksum: str | None = None,
        algorithm: str = "sha256",
        *,
        binary: bool = False,
    ) -> dict[str, Any]:
        """Return the content of a file, read in a worker thread; see `secure_read`.

        Raises:
            MissingError: If there is none.
            IntegrityError: If the checksum is another one.
            PathError: If the path leads out of the folder.
        """
        call = partial(self.secure_read, file_path, verify_integrity, binary=binary)
        return await in_thread(call, expected_checksum, algorithm)

    async def async_batch_operations(
        self,
        operations: Sequence[Mapping[str, Any]],
        *,
        max_concurrency: int = BATCH_THREADS,
    ) -> list[dict[str, Any]]:
        """Do many things at once and return the result of each, in their order.

        Operations on one path happen one after the other, as they stand there. A write keeps the
        content before as a version, unless it says `create_version: False`.

        Args:
            operations: Each a mapping with `type` (`read`, `write` or `checksum`), `path`, for a
                write `content`, and if wanted `binary` for a read and `algorithm`.
            max_concurrency: Threads that are busy at once.

        Returns:
            Mappings with `path` and `status`: `success`, with `content` and `content_length` of a
            read, `operation` of a write, `checksum` of a write or checksum; or `error`, with
            `error`.
        """
        return await run_batch(
            operations, self._operate, self._lane, max_concurrency=max_concurrency
        )

    def create_backup(
        self, file_paths: Sequence[PathLike], backup_name: str | None = None
    ) -> dict[str, Any]:
        """Back up files and folders below the base path; see `BackupManager.create_backup`.

        Raises:
            MissingError: If one of them is not there: no backup is made.
            ExistsError: If there is a backup of that name.
        """
        return self.backup_manager.create_backup(file_paths, backup_name)

    def list_file_versions(self, filename: PathLike) -> list[FileMetadata]:
        """Return the versions of a file from the oldest to the newest.

        Raises:
            PathError: If the path leads out of the folder.
        """
        return self.version_manager.list_versions(filename)

    def restore_file_version(
        self, filename: PathLike, version: int, target_path: PathLike | None = None
    ) -> FileMetadata:
        """Put the content of a version into its file or another one.

        Raises:
            MissingError: If there is no such version.
            DamagedError: If it is damaged; the file stays as it is.
            TimeoutError: If somebody holds the lock of the target.
        """
        return self.version_manager.restore_version(filename, version, target_path)

    def close(self) -> None:
        """Close what versions and backups keep open; the next call opens it again."""
        self._vault.history.close()
        self.backup_manager.close()

    def _lane(self, operation: Mapping[str, Any]) -> str:
        """Return the file that an operation works on, the same for all spellings of its path."""
        path = operation.get("path")
        if not isinstance(path, str | os.PathLike):
            return ""
        try:
            return self._vault.locate(path)
        except (PegboardError, OSError):
            return ""  # it will fail, and say why

    def _operate(self, operation: Mapping[str, Any]) -> dict[str, Any]:
        path = operation.get("path")
        if not isinstance(path, str | os.PathLike):
            raise OptionError("an operation needs a path")
        act = _OPERATIONS.get(str(operation.get("type")))
        if act is None:
            kinds = ", ".join(_OPERATIONS)
            raise OptionError(f"Unknown operation {operation.get('type')!r}; there are {kinds}")
        return {"path": path, "status": "success", **act(self, path, operation)}

    def _batch_read(self, path: PathLike, operation: Mapping[str, Any]) -> dict[str, Any]:
        read = self.secure_read(path, binary=bool(operation.get("binary")))
        return {"content": read["content"], "content_length": read["size"]}

    def _batch_write(self, path: PathLike, operation: Mapping[str, Any]) -> dict[str, Any]:
        if "content" not in operation:
            raise OptionError(f"the write of {path} has no content")
        written = self.secure_write(
            path,
            operation["content"],
            create_version=bool(operation.get("create_version", True)),
            algorithm=operation.get("algorithm", "sha256"),
        )
        return {"operation": "write", "size": written["size"], "checksum": written["checksum"]}

    def _batch_checksum(self, path: PathLike, operation: Mapping[str, Any]) -> dict[str, Any]:
        return {"checksum": self._vault.checksum(path, operation.get("algorithm", "sha256"))}


_Act = Callable[[AdvancedFileHandler, PathLike, Mapping[str, Any]], dict[str, Any]]
_OPERATIONS: dict[str, _Act] = {
    "read": AdvancedFileHandler._batch_read,  # noqa: SLF001  # a table of the class's own
    "write": AdvancedFileHandler._batch_write,  # noqa: SLF001  # the same
    "checksum": AdvancedFileHandler._batch_checksum,  # noqa: SLF001  # the same
}


def _as_bytes(content: str | bytes | Mapping[str, Any] | Sequence[Any]) -> bytes:
    if isinstance(content, bytes | bytearray | memoryview):
        return bytes(content)
    if isinstance(content, str):
        return content.encode("utf-8")
    return json.dumps(content, indent=2, ensure_ascii=False).encode("utf-8")


def _as_text(content: bytes, path: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(f"{path} is not UTF-8 text; read it with binary=True") from error

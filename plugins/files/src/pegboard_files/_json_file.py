"""`JsonFileHandler`: JSON files below a folder, with versions."""

from __future__ import annotations

import json
import os
from typing import Any

from pegboard_files._error import FormatError
from pegboard_files._thread import in_thread
from pegboard_files._vault import Vault, require_checksum, timestamp
from pegboard_files._version import FileVersionManager
from pegboard_locking import FileLockManager

__all__ = ["JsonFileHandler"]

PathLike = str | os.PathLike[str]


class JsonFileHandler:
    """Reads and writes JSON files below a folder: whole or not at all, locked, with versions.

    Args:
        base_path: The folder; made if it is missing.
        version_manager: Shares the versions of somebody else, whose base path is the same.
        lock_manager: The locks; by default those that all processes share.
        checksum_algo: One of md5, sha1, sha256, sha512, blake2b and blake3.

    Attributes:
        version_manager: The versions of its files.
    """

    def __init__(
        self,
        base_path: PathLike = ".",
        version_manager: FileVersionManager | None = None,
        lock_manager: FileLockManager | None = None,
        checksum_algo: str = "sha256",
    ) -> None:
        self._vault = Vault(base_path, lock_manager=lock_manager)
        self.base_path = self._vault.root.path
        self.version_manager = version_manager or FileVersionManager(vault=self._vault)
        self.lock_manager = self._vault.locks
        self._algorithm = checksum_algo

    def write(
        self,
        file_path: PathLike,
        data: Any,
        create_version: bool = True,  # noqa: FBT001, FBT002  # the documented signature
        verify_integrity: bool = True,  # noqa: FBT001, FBT002  # the same
    ) -> dict[str, Any]:
        """Replace a file by `data` as JSON.

        Returns:
            `file_path`, `checksum`, `size` in bytes, `timestamp` and `versioned`.

        Raises:
            TypeError: If JSON cannot hold it; nothing is written.
            ValueError: If it holds a number that is none, or itself; nothing is written.
            PathError: If the path leads out of the folder.
            WriteError: If it cannot be written; the old content stays.
        """
        text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
        written = self._vault.write(
            file_path,
            text.encode("utf-8"),
            is_versioned=create_version,
            is_verified=verify_integrity,
            algorithm=self._algorithm,
        )
        return {
            "file_path": str(file_path),
            "checksum": written.checksum,
            "size": written.size,
            "timestamp": timestamp(),
            "versioned": written.version is not None,
        }

    def read(
        self,
        file_path: PathLike,
        verify_integrity: bool = False,  # noqa: FBT001, FBT002  # the documented signature
        expected_checksum: str | None = None,
    ) -> dict[str, Any]:
        """Return what a JSON file holds.

        Returns:
            `data`, `checksum` and `timestamp`.

        Raises:
            MissingError: If there is no such file.
            PathError: If the path leads out of the folder.
            IntegrityError: If its checksum is another one.
            OptionError: If there is no checksum to compare with.
            FormatError: If it is no JSON.
        """
        expected = require_checksum(expected_checksum, is_verified=verify_integrity)
        read = self._vault.read(file_path, algorithm=self._algorithm, expected=expected)
        try:
            data = json.loads(read.content)
        except (ValueError, RecursionError) as error:
            msg = f"{file_path} is no JSON: {error}; an earlier version can be restored"
            raise FormatError(msg) from error
        return {"data": data, "checksum": read.checksum, "timestamp": timestamp()}

    async def write_async(
        self,
        file_path: PathLike,
        data: Any,
        create_version: bool = True,  # noqa: FBT001, FBT002  # as `write`
        verify_integrity: bool = True,  # noqa: FBT001, FBT002  # the same
    ) -> dict[str, Any]:
        """Replace a file by `data` as JSON, in a worker thread; see `write`.

        Raises:
            TypeError: If JSON cannot hold it; nothing is written.
            WriteError: If it cannot be written; the old content stays.
        """
        return await in_thread(self.write, file_path, data, create_version, verify_integrity)

    async def read_async(
        self,
        file_path: PathLike,
        verify_integrity: bool = False,  # noqa: FBT001, FBT002  # as `read`
        expected_checksum: str | None = None,
    ) -> dict[str, Any]:
        """Return what a JSON file holds, read in a worker thread; see `read`.

        Raises:
            MissingError: If there is no such file.
            FormatError: If it is no JSON.
        """
        return await in_thread(self.read, file_path, verify_integrity, expected_checksum)

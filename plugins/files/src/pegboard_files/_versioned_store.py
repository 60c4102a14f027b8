"""Versions for the files of any store: a store that wraps another one."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from pegboard.contracts.storage import (
    ABSENT,
    Capabilities,
    Entry,
    FileKey,
    KeyPage,
    KeyRange,
    Store,
    Written,
)
from pegboard.errors import ConflictError, UnavailableError
from pegboard_durable import Root
from pegboard_files._error import translated
from pegboard_files._history import History
from pegboard_files._metadata import FileMetadata

__all__ = ["VersionedStore"]


class VersionedStore(Store):
    """Keeps what a write or a delete takes away, on this machine.

    Wrap the store below its encryption: then what is kept is encrypted as well.

    Args:
        store: The store whose files have versions.
        folder: Where the versions are kept; made if it is missing.
    """

    def __init__(self, store: Store, folder: str | os.PathLike[str]) -> None:
        self._store = store
        with translated():
            self._history = History(Root(folder, folder_mode=0o700), Path(folder))

    @property
    def capabilities(self) -> Capabilities:
        """What the wrapped store can do."""
        return self._store.capabilities

    def read(self, key: FileKey) -> Entry | None:
        """Return the file, or None where there is none.

        Raises:
            CorruptError: If what is kept is not what was written.
            UnavailableError: If the store does not answer in time.
        """
        return self._store.read(key)

    def write(self, key: FileKey, data: bytes, *, expected_version: str | None = None) -> Written:
        """Keep `data` in place of what was there, which becomes a version.

        Raises:
            ConflictError: If the file has another version than expected; nothing was written.
            TooLargeError: If it is longer than the store can hold.
            UnavailableError: If the store does not answer in time, or the version cannot be kept.
        """
        end = time.monotonic() + self.capabilities.deadline
        while True:
            before = self._store.read(key)
            found = ABSENT if before is None else before.version
            if expected_version not in {None, found}:
                return self._store.write(key, data, expected_version=expected_version)
            self._keep(key, before)
            try:
                return self._store.write(key, data, expected_version=found)
            except ConflictError:
                if expected_version is not None or time.monotonic() > end:
                    raise

    def delete(self, key: FileKey, *, expected_version: str | None = None) -> bool:
        """Remove the file, which becomes a version; False where there was none.

        Raises:
            ConflictError: If the file has another version than expected; nothing was removed.
            UnavailableError: If the store does not answer in time, or the version cannot be kept.
        """
        before = self._store.read(key)
        if before is None:
            return self._store.delete(key, expected_version=expected_version)
        if expected_version in {None, before.version}:
            self._keep(key, before)
        return self._store.delete(key, expected_version=expected_version or before.version)

    def list(self, within: KeyRange, *, cursor: str = "", limit: int = 1000) -> KeyPage:
        """Return up to `limit` keys of the range, from the cursor on.

        Raises:
            InputError: If the cursor is not one that this method gave.
            UnavailableError: If the store does not answer in time.
        """
        return self._store.list(within, cursor=cursor, limit=limit)

    def previous(self, key: FileKey) -> Entry | None:
        """Return the content before the last write, None where the store keeps none.

        Raises:
            CorruptError: If what is kept is not what was written.
            UnavailableError: If the store does not answer in time.
        """
        return self._store.previous(key)

    def versions(self, key: FileKey, *, limit: int | None = None) -> Sequence[FileMetadata]:
        """Return what was kept of a file from the oldest to the newest, with a limit the newest.

        Raises:
            WriteError: If the folder of the versions cannot be read.
        """
        with translated():
            return self._history.versions(key.path, limit=limit)

    def read_version(self, key: FileKey, number: int) -> bytes:
        """Return the content of a version, checked.

        Raises:
            MissingError: If there is none of that number.
            DamagedError: If it is not what was kept.
        """
        with translated():
            return self._history.content(key.path, number)

    def restore_version(self, key: FileKey, number: int) -> Written:
        """Write a version back; what is there becomes a version.

        Raises:
            MissingError: If there is none of that number.
            DamagedError: If it is not what was kept; the file stays as it is.
            UnavailableError: If the store does not answer in time.
        """
        return self.write(key, self.read_version(key, number))

    def _keep(self, key: FileKey, before: Entry | None) -> None:
        if before is None:
            return
        if before.stale_since is not None:
            raise UnavailableError(f"{key} cannot be changed while its store is away")
        with translated():
            self._history.keep_content(key.path, before.data)

"""Versions for the files of any store: a store that wraps another one."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

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
from pegboard.errors import ConflictError, CorruptError, UnavailableError
from pegboard_durable import Root
from pegboard_files._error import translated
from pegboard_files._history import History
from pegboard_files._metadata import FileMetadata

__all__ = ["VersionedStore"]

T_co = TypeVar("T_co", covariant=True)


class _Change(Protocol[T_co]):
    def __call__(self, *, expected_version: str | None) -> T_co: ...


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
        return self._change(key, expected_version, partial(self._store.write, key, data))

    def delete(self, key: FileKey, *, expected_version: str | None = None) -> bool:
        """Remove the file, which becomes a version; False where there was none.

        Raises:
            ConflictError: If the file has another version than expected; nothing was removed.
            UnavailableError: If the store does not answer in time, or the version cannot be kept.
        """
        return self._change(key, expected_version, partial(self._store.delete, key))

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

    def drop_previous(self, key: FileKey) -> None:
        """Give up the content before the last write, as the store does; the versions stay.

        Raises:
            UnavailableError: If the store does not answer in time.
        """
        self._store.drop_previous(key)

    def mend(self, key: FileKey, is_sound: Callable[[Entry], bool]) -> Entry | None:
        """Put the content before the last write in place of a damaged one; return what is there.

        Raises:
            CorruptError: If the earlier content is damaged as well.
            UnavailableError: If the store does not answer in time.
        """
        return self._store.mend(key, is_sound)

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

    def close(self) -> None:
        """Close what versions keep open; the next call opens it again."""
        self._history.close()

    def _change(self, key: FileKey, expected: str | None, change: _Change[T_co]) -> T_co:
        """Change a file once the content before is kept; nothing comes in between."""
        end = time.monotonic() + self.capabilities.deadline
        while True:
            before, found = self._before(key)
            if expected is not None and expected != found:
                return change(expected_version=expected)  # which the store refuses
            self._keep(key, before)
            try:
                return change(expected_version=found)
            except ConflictError:
                if expected is not None or time.monotonic() > end:
                    raise

    def _before(self, key: FileKey) -> tuple[Entry | None, str | None]:
        """Return what is there, and its version; none for what is damaged: nothing to keep."""
        try:
            before = self._store.read(key)
        except CorruptError:
            return None, None
        return before, ABSENT if before is None else before.version

    def _keep(self, key: FileKey, before: Entry | None) -> None:
        if before is None:
            return
        if before.stale_since is not None:
            raise UnavailableError(f"{key} cannot be changed while its store is away")
        with translated():
            self._history.keep_content(key.path, before.data)

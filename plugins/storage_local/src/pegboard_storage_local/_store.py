"""The store: each file a file on disk, replaced in one step, under a lock.

Readers take no lock, since a file is whole at any time. Writers take one for as long as they look
at the version and put the new content in place; the content before stays beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path

from pegboard.contracts.storage import (
    ABSENT,
    Capabilities,
    Change,
    Entry,
    FileKey,
    KeyPage,
    KeyRange,
    Store,
    Written,
)
from pegboard.errors import ConflictError, CorruptError, UnavailableError
from pegboard_durable import DurableError, OutsideRootError, Root
from pegboard_storage_local._listing import listed
from pegboard_storage_local._lock import locked
from pegboard_storage_local._record import Record, parse, record_of

__all__ = ["LocalStore"]

# No encoded name has a tilde, so that these never meet a file.
_LOCK = "~lock"
_PREVIOUS = "~previous"

_MODE = 0o600
_FOLDER_MODE = 0o700


class LocalStore(Store):
    """Keeps files in a folder. Threads and processes may share one freely.

    Args:
        folder: The folder; made when the first file is written.
        durable: Whether a write returns only when a power cut cannot undo it.
        deadline: Seconds that a write waits for others that write the same file.
    """

    def __init__(self, folder: Path, *, durable: bool = True, deadline: float = 10.0) -> None:
        self._folder = folder
        self._capabilities = Capabilities(
            backend="local", durable=durable, shared=True, deadline=deadline
        )

    @property
    def capabilities(self) -> Capabilities:
        """Durable unless that was switched off, and shared by the processes of this machine."""
        return self._capabilities

    @cached_property
    def _root(self) -> Root:
        return Root(
            self._folder,
            durable=self._capabilities.durable,
            folder_mode=_FOLDER_MODE,
            follow=False,
        )

    def read(self, key: FileKey) -> Entry | None:
        """Return the file, or None where there is none.

        Raises:
            CorruptError: If what is kept is not what was written.
            UnavailableError: If it cannot be read.
        """
        with _translated("read", key):
            return _entry(self._sound(key.path, key))

    def write(self, key: FileKey, data: bytes, *, expected_version: str | None = None) -> Written:
        """Keep `data` in place of what was there, and that beside it.

        Raises:
            ConflictError: If the file has another version than expected; nothing was written.
            CorruptError: If a version is expected and what is kept is damaged.
            UnavailableError: If it cannot be written, or somebody else does for too long; the old
                content is there, unless the message says otherwise.
        """
        with _translated("write", key), self._locked(key):
            current = self._current(key, expected_version)
            return Written(version=self._put(key, data, current))

    def delete(self, key: FileKey, *, expected_version: str | None = None) -> bool:
        """Remove the file and what is beside it; False where there was none.

        Raises:
            ConflictError: If the file has another version than expected.
            CorruptError: If a version is expected and what is kept is damaged.
            UnavailableError: If it cannot be removed.
        """
        path = key.path
        with _translated("delete", key):
            if expected_version is None and self._raw(path) is None:
                return False
            with self._locked(key):
                self._current(key, expected_version)
                self._root.remove(path + _PREVIOUS, durable=False)
                was_there = self._root.remove(path)
                with suppress(
                    DurableError
                ):  # some systems keep what is open; it stays, and is empty
                    self._root.remove(path + _LOCK, durable=False)
                return was_there

    def list(self, within: KeyRange, *, cursor: str = "", limit: int = 1000) -> KeyPage:
        """Return up to `limit` keys of the range, in the order of their paths.

        Raises:
            InputError: If the cursor is not one that this method gave.
            UnavailableError: If a folder cannot be read.
        """
        try:
            return listed(self._folder, within, cursor=cursor, limit=limit)
        except OSError as error:
            raise UnavailableError(f"files cannot be listed: {error}") from error

    def previous(self, key: FileKey) -> Entry | None:
        """Return the content before the last write, None where there was none.

        Raises:
            CorruptError: If that is damaged as well.
            UnavailableError: If it cannot be read.
        """
        with _translated("read", key):
            return _entry(self._sound(key.path + _PREVIOUS, key))

    def update(self, key: FileKey, change: Change) -> Entry | None:
        """Read, change and write under one lock.

        Raises:
            CorruptError: If what is kept is not what was written.
            UnavailableError: If it cannot be written, or somebody else does for too long.
        """
        with self._locked(key):
            with _translated("read", key):
                current = self._sound(key.path, key)
            data = change(_entry(current))
            if data is None:
                return _entry(current)
            with _translated("write", key):
                return Entry(data=data, version=self._put(key, data, current))

    def sweep(self) -> int:
        """Remove what writers that were killed have left; return how many files that was.

        Raises:
            UnavailableError: If a folder cannot be read.
        """
        if not self._folder.is_dir():
            return 0
        try:
            return self._root.sweep()
        except OSError as error:
            raise UnavailableError(f"{self._folder} cannot be swept: {error}") from error

    @contextmanager
    def _locked(self, key: FileKey) -> Iterator[None]:
        holding = locked(self._root, key.path + _LOCK, timeout=self._capabilities.deadline)
        with _translated("lock", key):
            holding.__enter__()
        try:
            yield
        finally:
            holding.__exit__(None, None, None)

    def _current(self, key: FileKey, expected: str | None) -> Record | None:
        """Return what is there; without a condition, what is damaged may be replaced."""
        if expected is None:
            with suppress(CorruptError):
                return self._sound(key.path, key)
            return None
        current = self._sound(key.path, key)
        if expected != (ABSENT if current is None else current.version):
            raise ConflictError(f"{key} was changed by somebody else: load it again")
        return current

    def _put(self, key: FileKey, data: bytes, current: Record | None) -> str:
        path = key.path
        record = record_of(path, data)
        if current is not None and current.version != record.version:
            with suppress(FileNotFoundError):
                self._root.preserve(path, path.rpartition("/")[2] + _PREVIOUS)
        self._root.replace(path, record.raw, mode=_MODE)
        return record.version

    def _sound(self, path: str, key: FileKey) -> Record | None:
        raw = self._raw(path)
        if raw is None:
            return None
        record = parse(key.path, raw)
        if record is None:
            raise CorruptError(f"{key} is damaged, or was changed by hand: {self._folder / path}")
        return record

    def _raw(self, path: str) -> bytes | None:
        if not self._folder.is_dir():
            return None
        try:
            return self._root.read(path)
        except (FileNotFoundError, NotADirectoryError):
            return None


def _entry(record: Record | None) -> Entry | None:
    return None if record is None else Entry(data=record.data, version=record.version)


@contextmanager
def _translated(doing: str, key: FileKey) -> Iterator[None]:
    try:
        yield
    except OutsideRootError as error:
        msg = (
            f"cannot {doing} {key}: somebody put a link or a device in its place: {error.strerror}"
        )
        raise CorruptError(msg) from error
    except OSError as error:
        raise UnavailableError(f"cannot {doing} {key}: {error.strerror or error}") from error

"""The store: each file a file on disk, replaced in one step, under a lock.

Readers take no lock, since a file is whole at any time. Writers take one for as long as they look
at the version and put the new content in place; the content before stays beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import cast

from pegboard.contracts.storage import (
    Capabilities,
    Change,
    Entry,
    FileKey,
    KeyPage,
    KeyRange,
    Store,
    Written,
)
from pegboard.errors import CorruptError, UnavailableError
from pegboard_durable import OutsideRootError, Root
from pegboard_storage_local._listing import listed
from pegboard_storage_local._lock import Lock
from pegboard_storage_local._record import Record
from pegboard_storage_local._spot import LOCK, PREVIOUS, Spot

__all__ = ["LocalStore"]

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
        return self._read(key)

    def write(self, key: FileKey, data: bytes, *, expected_version: str | None = None) -> Written:
        """Keep `data` in place of what was there, and that beside it.

        Raises:
            ConflictError: If the file has another version than expected; nothing was written.
            CorruptError: If a version is expected and what is kept is damaged.
            UnavailableError: If it cannot be written, or somebody else does for too long; the old
                content is there, unless the message says otherwise.
        """
        with self._locked("write", key) as spot:
            return Written(version=spot.put(data, partial(spot.expect, expected_version)))

    def delete(self, key: FileKey, *, expected_version: str | None = None) -> bool:
        """Remove the file and what is beside it; False where there was none.

        Raises:
            ConflictError: If the file has another version than expected.
            CorruptError: If a version is expected and what is kept is damaged.
            UnavailableError: If it cannot be removed.
        """
        if expected_version is None and not self._is_there(key):
            return False
        with self._locked("delete", key) as spot:
            spot.expect(expected_version)
            return spot.remove()

    def list(self, within: KeyRange, *, cursor: str = "", limit: int = 1000) -> KeyPage:
        """Return up to `limit` keys of the range, in the order of their paths.

        Raises:
            InputError: If the cursor is not one that this method gave.
            UnavailableError: If a folder cannot be read.
        """
        try:
            root = self._root if self._is_made() else None
            return listed(root, within, cursor=cursor, limit=limit)
        except OSError as error:
            raise UnavailableError(f"files cannot be listed: {error}") from error

    def previous(self, key: FileKey) -> Entry | None:
        """Return the content before the last write, None where there was none.

        Raises:
            CorruptError: If that is damaged as well.
            UnavailableError: If it cannot be read.
        """
        return self._read(key, PREVIOUS)

    def drop_previous(self, key: FileKey) -> None:
        """Remove what lies beside the file, under the lock.

        Raises:
            UnavailableError: If it cannot be removed, or somebody else writes for too long.
        """
        if self._is_there(key):
            with self._locked("clean up", key) as spot:
                spot.clear()

    def mend(self, key: FileKey, is_sound: Callable[[Entry], bool]) -> Entry | None:
        """Put the content before the last write in place of a damaged one, under the lock.

        Raises:
            CorruptError: If that is damaged as well.
            UnavailableError: If it cannot be written, or somebody else does for too long.
        """
        with self._locked("mend", key) as spot:
            current = _entry(spot.expect(None))
            if current is not None and is_sound(current):
                return current
            before = spot.sound(PREVIOUS)
            entry = _entry(before)
            if before is None or entry is None:
                return None
            if not is_sound(entry):
                raise CorruptError(f"the content of {key} before the last save is damaged as well")
            spot.put(before.data, _nothing)  # what is damaged is not kept
            return entry

    def update(self, key: FileKey, change: Change) -> Entry | None:
        """Read, change and write under one lock.

        Raises:
            CorruptError: If what is kept is not what was written.
            UnavailableError: If it cannot be written, or somebody else does for too long.
        """
        with self._locked("update", key) as spot:
            current = spot.sound()
            with _foreign():
                data = change(_entry(current))
            if data is None:
                return _entry(current)
            return Entry(data=data, version=spot.put(data, lambda: current))

    def _read(self, key: FileKey, suffix: str = "") -> Entry | None:
        if not self._is_made():
            return None
        path = key.path
        folder, _, name = path.rpartition("/")
        with _Translated("read", key):
            try:
                with self._root.place(folder) as place:
                    return _entry(Spot(place, path, name, key).sound(suffix))
            except (FileNotFoundError, NotADirectoryError):
                return None

    def _is_there(self, key: FileKey) -> bool:
        """Whether there is the file, or what is left of one."""
        if not self._is_made():
            return False
        path = key.path
        folder, _, name = path.rpartition("/")
        with _Translated("look for", key):
            try:
                with self._root.place(folder) as place:
                    return Spot(place, path, name, key).is_there()
            except (FileNotFoundError, NotADirectoryError):
                return False

    def _is_made(self) -> bool:
        """Whether there is a folder: whoever only looks makes none."""
        return "_root" in vars(self) or self._folder.is_dir()

    @contextmanager
    def _locked(self, doing: str, key: FileKey) -> Iterator[Spot]:
        path = key.path
        folder, _, name = path.rpartition("/")
        timeout = self._capabilities.deadline
        with (
            _Translated(doing, key),
            self._root.place(folder, make=True) as place,
            Lock(place, name + LOCK, timeout=timeout),
        ):
            yield Spot(place, path, name, key)


def _nothing() -> None:
    return None


def _entry(record: Record | None) -> Entry | None:
    return None if record is None else Entry(data=record.data, version=record.version)


class _ForeignError(Exception):
    """Carries what the code of others raised past the translation of what files raise."""


@contextmanager
def _foreign() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _ForeignError from error


class _Translated:
    """Raises what files raise in terms of a store; a class, since each call enters it."""

    __slots__ = ("_doing", "_key")

    def __init__(self, doing: str, key: FileKey) -> None:
        self._doing = doing
        self._key = key

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, _ForeignError):
            raise cast("OSError", error.__cause__) from None
        if not isinstance(error, OSError):
            return
        text = error.strerror or error
        if isinstance(error, OutsideRootError):
            planted = f"somebody put a link or a device in its place: {text}"
            raise CorruptError(f"cannot {self._doing} {self._key}: {planted}") from error
        raise UnavailableError(f"cannot {self._doing} {self._key}: {text}") from error

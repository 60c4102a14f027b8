"""A document of a store, in memory: loaded, changed, saved.

Two rules:

- The lock guards the memory and is never held while a store works: whoever only looks at a value
  waits for no disk and no network.
- A save never takes anything from others. If the file is no longer what was loaded, the keys that
  were changed here are changed in what is there now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import RLock
from typing import TYPE_CHECKING, Any

from pegboard.contracts.storage import ABSENT, Entry, FileKey, Store
from pegboard.errors import (
    ConfigError,
    ConflictError,
    CorruptError,
    InputError,
    NotFoundError,
)
from pegboard_storage._document import Difference, difference
from pegboard_storage._json import decoded, encoded
from pegboard_storage._seal import is_sealed

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["StoredDocument"]

Transformation = Callable[[dict[str, Any]], dict[str, Any] | None]
"""Changes a document in place, or returns another one. It may be called more than once."""


_NOTHING = Difference(set={}, removed=frozenset())


class StoredDocument:
    """One JSON document.

    Args:
        key: Its address.

    Attributes:
        key: Its address.
        lock: Guards `data`.
        data: What is in it, changes that are not saved included.
        is_loaded: Whether it was read since it was made.
        is_pending: Whether the last save is kept on this machine and has not reached its store yet.
        stale_since: Set if what was loaded is an old copy, since its store is away: of when.
        version: Version that was loaded or saved last; empty if there was no file.
    """

    def __init__(self, key: FileKey) -> None:
        self.key = key
        self.lock = RLock()
        self.data: dict[str, Any] = {}
        self.is_loaded = False
        self.is_pending = False
        self.stale_since: datetime | None = None
        self.version = ABSENT
        self._base: bytes | None = None
        self._changes = 0  # of `_base`, which may be the same again

    def load(self, store: Store, *, keep_changes: bool = False) -> None:
        """Read the file; one that is not there is an empty document.

        Args:
            store: Where it is.
            keep_changes: Whether changes that are not saved stay.

        Raises:
            CorruptError: If it is damaged; nothing in memory has changed.
            PegboardError: As `Store.read`.
        """
        with self._advising(store):
            entry = store.read(self.key)
            data = {} if entry is None else self._decoded(entry.data)
        with self.lock:
            changes = difference(self._base, self.data) if keep_changes else None
            self.data = data if changes is None else changes.applied(data)
            self._note(entry)

    def save(self, store: Store, *, if_version: str | None = None) -> None:
        """Write the file.

        Args:
            store: Where it is.
            if_version: Version that the file has to have; None to merge with what others wrote.

        Raises:
            ConflictError: If it has another version than `if_version`; nothing was written.
            CorruptError: If what is there is damaged.
            InputError: If a value is no JSON data.
            PegboardError: As `Store.write`.
        """
        with self.lock:
            data, base, version = encoded(self.data), self._base, self.version
            changes = self._changes
        expected = version if if_version is None else if_version
        with self._advising(store):
            try:
                written = store.write(self.key, data, expected_version=expected)
            except ConflictError:
                if if_version is not None:
                    raise
                self._merge(store, data, base)
                return
        entry = Entry(data=data, version=written.version)
        with self.lock:
            if self._changes != changes:  # another thread has loaded, saved or deleted meanwhile
                self._rebase(entry, difference(base, decoded(data)))
            self._note(entry, is_pending=written.pending)

    def update(self, store: Store, change: Transformation) -> None:
        """Read, change and write the file, so that nothing that others write is lost.

        Changes in memory that are not saved stay so.

        Raises:
            ConflictError: If others were always faster.
            CorruptError: If what is there is damaged.
            InputError: If a value is no JSON data.
            PegboardError: As `Store.update`.
        """

        def changed(entry: Entry | None) -> bytes:
            document = {} if entry is None else self._decoded(entry.data)
            answer = change(document)
            return encoded(document if answer is None else answer)

        with self._advising(store):
            entry = store.update(self.key, changed)
        with self.lock:
            self._rebase(entry, _NOTHING)
            self._note(entry)

    def delete(self, store: Store) -> bool:
        """Remove the file; False where there was none.

        Raises:
            PegboardError: As `Store.delete`.
        """
        was_there = store.delete(self.key)
        with self.lock:
            self.data = {}
            self._note(None)
        return was_there

    def restore(self, store: Store) -> None:
        """Put the content before the last write in place of a damaged file, and load it.

        One that is sound is loaded as it is.

        Raises:
            NotFoundError: If there is no such content.
            CorruptError: If that is damaged as well.
            PegboardError: As `Store.write`.
        """
        entry = store.mend(self.key, _is_document)
        if entry is None:
            raise NotFoundError(f"there is no earlier content of {self.key}")
        data = decoded(entry.data)
        with self.lock:
            self.data = data
            self._note(entry)

    def _merge(self, store: Store, data: bytes, base: bytes | None) -> None:
        """Save `data`, which came from `base`, into what is there now."""
        mine = difference(base, decoded(data))

        def merged(entry: Entry | None) -> bytes:
            return encoded(mine.applied({} if entry is None else self._decoded(entry.data)))

        entry = store.update(self.key, merged)
        with self.lock:
            self._rebase(entry, mine)
            self._note(entry)

    def _rebase(self, entry: Entry | None, saved: Difference) -> None:
        """Let what is in memory be what is in the file, with the changes that are not saved."""
        unsaved = difference(self._base, self.data).without(saved)
        self.data = unsaved.applied({} if entry is None else decoded(entry.data))

    @contextmanager
    def _advising(self, store: Store) -> Iterator[None]:
        """Say of a damaged file whether it can be restored."""
        try:
            yield
        except CorruptError as error:
            raise self._corrupt(store, str(error)) from error

    def _decoded(self, data: bytes) -> dict[str, Any]:
        if is_sealed(data):
            raise InputError(f"{self.key} is encrypted: open it with encrypt=True")
        try:
            return decoded(data)
        except CorruptError as error:
            raise CorruptError(f"{self.key} is damaged: {error}") from error

    def _corrupt(self, store: Store, text: str) -> CorruptError:
        is_recoverable = _has_previous(store, self.key)
        advice = (
            "; the content before the last save is sound: restore() puts it back, as does "
            "`pegboard storage verify --restore`"
            if is_recoverable
            else "; there is no earlier content: put the file back from a backup"
        )
        return CorruptError(text + advice, recoverable=is_recoverable)

    def _note(self, entry: Entry | None, *, is_pending: bool = False) -> None:
        self._base = None if entry is None else entry.data
        self._changes += 1
        self.version = ABSENT if entry is None else entry.version
        self.stale_since = None if entry is None else entry.stale_since
        self.is_loaded = True
        self.is_pending = is_pending


def _has_previous(store: Store, key: FileKey) -> bool:
    try:
        entry = store.previous(key)
    except (ConfigError, CorruptError):
        return False
    return entry is not None and _is_document(entry)


def _is_document(entry: Entry) -> bool:
    try:
        decoded(entry.data)
    except CorruptError:
        return False
    return True

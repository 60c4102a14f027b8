"""Encryption as a wrapper around any store."""

from __future__ import annotations

from collections.abc import Callable

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
from pegboard.errors import ConfigError, CorruptError, TooLargeError
from pegboard_storage._key_source import Keys
from pegboard_storage._seal import OVERHEAD, is_sealed, key_id_of, opened, sealed

__all__ = ["EncryptedStore"]


class EncryptedStore(Store):
    """Seals what is written and opens what is read; a file that is not sealed is refused.

    Args:
        store: Keeps the sealed files.
        keys: The keys.

    Raises:
        ConfigError: If the store cannot keep sealed files.
    """

    def __init__(self, store: Store, keys: Keys) -> None:
        inner = store.capabilities
        if not inner.opaque:
            raise ConfigError(
                f"backend {inner.backend} looks into what it keeps and can hold no encrypted file: "
                "use another backend for this scope"
            )
        self._store = store
        self._keys = keys
        self._capabilities = inner

    @property
    def capabilities(self) -> Capabilities:
        """Those of the store, less the room that a seal takes."""
        inner = self._capabilities
        if inner.max_size is None:
            return inner
        return Capabilities(
            backend=inner.backend,
            durable=inner.durable,
            shared=inner.shared,
            deadline=inner.deadline,
            max_size=inner.max_size - OVERHEAD,
        )

    def read(self, key: FileKey) -> Entry | None:
        """Return the file, opened.

        Raises:
            ConfigError: If its key is not here.
            CorruptError: If it is not what was sealed for this place.
            UnavailableError: If the store does not answer in time.
        """
        return self._opened(key, self._store.read(key))

    def write(self, key: FileKey, data: bytes, *, expected_version: str | None = None) -> Written:
        """Keep the file, sealed with the current key.

        Raises:
            ConfigError: If there is no key.
            ConflictError: If the file has another version than expected.
            TooLargeError: If it does not fit.
            UnavailableError: If the store does not answer in time.
        """
        self._check_size(data)
        return self._store.write(key, self._sealed(key, data), expected_version=expected_version)

    def delete(self, key: FileKey, *, expected_version: str | None = None) -> bool:
        """Remove the file, as the store does."""
        return self._store.delete(key, expected_version=expected_version)

    def list(self, within: KeyRange, *, cursor: str = "", limit: int = 1000) -> KeyPage:
        """Return keys, as the store does."""
        return self._store.list(within, cursor=cursor, limit=limit)

    def previous(self, key: FileKey) -> Entry | None:
        """Return the content before the last write, opened.

        Raises:
            ConfigError: If its key is not here.
            CorruptError: If it is not what was sealed for this place.
            UnavailableError: If the store does not answer in time.
        """
        return self._opened(key, self._store.previous(key))

    def drop_previous(self, key: FileKey) -> None:
        """Give up the content before the last write, as the store does.

        Raises:
            UnavailableError: If the store does not answer in time.
        """
        self._store.drop_previous(key)

    def mend(self, key: FileKey, is_sound: Callable[[Entry], bool]) -> Entry | None:
        """Put the content before the last write in place of one that does not open.

        Raises:
            ConfigError: If its key is not here.
            CorruptError: If that does not open either.
            UnavailableError: If the store does not answer in time.
        """

        def is_sound_inside(entry: Entry) -> bool:
            try:
                opened = self._opened(key, entry)
            except CorruptError:
                return False
            return opened is not None and is_sound(opened)

        return self._opened(key, self._store.mend(key, is_sound_inside))

    def update(self, key: FileKey, change: Change) -> Entry | None:
        """Read, change and write, with the locks of the store.

        Raises:
            ConfigError: If a key is not here.
            ConflictError: If others were always faster.
            CorruptError: If it is not what was sealed for this place.
            UnavailableError: If the store does not answer in time.
        """

        def change_sealed(entry: Entry | None) -> bytes | None:
            data = change(self._opened(key, entry))
            if data is None:
                return None
            self._check_size(data)
            return self._sealed(key, data)

        return self._opened(key, self._store.update(key, change_sealed))

    def _sealed(self, key: FileKey, data: bytes) -> bytes:
        return sealed(data, key, self._keys.current())

    def _opened(self, key: FileKey, entry: Entry | None) -> Entry | None:
        if entry is None:
            return None
        if not is_sealed(entry.data):
            raise CorruptError(
                f"{key} is not encrypted and has to be: somebody else put it there, or it was "
                "written with encrypt=False"
            )
        try:
            master = self._keys.find(key_id_of(entry.data))
            data = opened(entry.data, key, master)
        except CorruptError as error:
            raise CorruptError(f"{key} cannot be opened: {error}") from error
        except ConfigError as error:
            raise ConfigError(f"{key} cannot be opened: {error}") from error
        return Entry(data=data, version=entry.version, stale_since=entry.stale_since)

    def _check_size(self, data: bytes) -> None:
        limit = self.capabilities.max_size
        if limit is not None and len(data) > limit:
            raise TooLargeError(f"{len(data)} bytes are more than the {limit} that fit")

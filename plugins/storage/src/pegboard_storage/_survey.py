"""Looking at every file of a backend: is it sound, which key has sealed it, sealing it anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Literal

import msgspec

from pegboard.contracts.storage import Entry, FileKey, KeyRange, Store, every_key
from pegboard.errors import ConfigError, ConflictError, CorruptError, NotFoundError
from pegboard_storage._encryption import EncryptedStore
from pegboard_storage._json import decoded
from pegboard_storage._key_source import Keys
from pegboard_storage._scope import SCOPES, StorageScope
from pegboard_storage._seal import is_sealed, key_id_of
from pegboard_storage._stored import StoredDocument

__all__ = ["Finding", "key_uses", "resealed", "verified"]

State = Literal["sound", "damaged", "unreadable", "restored", "sealed"]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of a file.

    Attributes:
        key: The file.
        state: `sound`; `damaged`; `unreadable` if the key to open it is missing; `restored` if its
            content before the last save was put back; `sealed` if the current key has sealed it.
        reason: What is wrong with it.
    """

    key: FileKey
    state: State
    reason: str = ""

    @property
    def is_problem(self) -> bool:
        """Whether somebody has to look at it."""
        return self.state in {"damaged", "unreadable"}


def verified(
    store: Store, keys: Keys, within: KeyRange, *, restore: bool = False
) -> Iterator[Finding]:
    """Read, open and decode each file of a range.

    Args:
        store: Where they are, as they are kept.
        keys: Opens the encrypted ones.
        within: Which ones.
        restore: Whether the content before the last save is put in place of what is damaged.

    Raises:
        UnavailableError: If the store does not answer in time.
    """
    for key in every_key(store, within):
        finding = _examined(store, keys, key)
        if finding.state == "damaged" and restore:
            finding = _restored(store, keys, finding)
        yield finding


def key_uses(store: Store) -> Counter[str]:
    """Return how many files each key has sealed, by its id; what is damaged is left out.

    Raises:
        UnavailableError: If the store does not answer in time.
    """
    uses: Counter[str] = Counter()
    for key in every_key(store):
        with suppress(CorruptError):
            key_id = _key_id(store.read(key))
            if key_id is not None:
                uses[key_id] += 1
    return uses


def resealed(store: Store, keys: Keys, *, forget: bool = False) -> Iterator[Finding]:
    """Seal what other keys have sealed with the current one; yield what became of each file.

    It may go on while others write. A file that does not open is passed over.

    Args:
        store: Where they are, as they are kept.
        keys: The keys.
        forget: Whether a content before the last write that another key has sealed is given up.

    Raises:
        ConfigError: If there is no current key.
        UnavailableError: If the store does not answer in time.
    """
    sealing = EncryptedStore(store, keys)
    current = keys.current().id
    for key in every_key(store):
        yield _resealed(store, sealing, key, {None, current}, forget=forget)


def _resealed(
    store: Store, sealing: EncryptedStore, key: FileKey, right: set[str | None], *, forget: bool
) -> Finding:
    state: State = "sound"
    try:
        if _key_id(store.read(key)) not in right:
            _seal_anew(sealing, key)
            state = "sealed"
        if forget and not _is_before_right(store, key, right):
            if _key_id(store.read(key)) is None:
                store.drop_previous(key)  # it is not encrypted any more, and stays so
            else:
                _seal_anew(sealing, key)  # so that the content before is this one
                state = "sealed"
    except ConfigError as error:
        return Finding(key=key, state="unreadable", reason=str(error))
    except (ConflictError, CorruptError) as error:
        return Finding(key=key, state="damaged", reason=str(error))
    return Finding(key=key, state=state)


def _is_before_right(store: Store, key: FileKey, right: set[str | None]) -> bool:
    try:
        return _key_id(store.previous(key)) in right
    except CorruptError:  # whatever it is, it was sealed before now
        return False


def _seal_anew(sealing: EncryptedStore, key: FileKey) -> None:
    sealing.update(key, lambda entry: None if entry is None else entry.data)


def _key_id(entry: Entry | None) -> str | None:
    return key_id_of(entry.data) if entry is not None and is_sealed(entry.data) else None


def _examined(store: Store, keys: Keys, key: FileKey) -> Finding:
    try:
        entry = store.read(key)
        if entry is None:  # deleted meanwhile
            return Finding(key=key, state="sound")
        opened = _opening(store, keys, key, entry.data).read(key)
        if opened is not None:
            decoded(opened.data)
    except CorruptError as error:
        return Finding(key=key, state="damaged", reason=str(error))
    except ConfigError as error:
        return Finding(key=key, state="unreadable", reason=str(error))
    return Finding(key=key, state="sound")


def _restored(store: Store, keys: Keys, finding: Finding) -> Finding:
    key = finding.key
    try:
        before = store.previous(key)
        data = b"" if before is None else before.data
        StoredDocument(key).restore(_opening(store, keys, key, data))
    except (ConfigError, ConflictError, CorruptError, NotFoundError) as error:
        return Finding(key=key, state="damaged", reason=f"{finding.reason}; {error}")
    return Finding(key=key, state="restored", reason=finding.reason)


def _opening(store: Store, keys: Keys, key: FileKey, data: bytes) -> Store:
    """Return what opens a file: in some scopes files may be encrypted, in some they have to be."""
    needs_seal = SCOPES[StorageScope(key.scope)].is_sealed
    return EncryptedStore(store, keys) if needs_seal or is_sealed(data) else store

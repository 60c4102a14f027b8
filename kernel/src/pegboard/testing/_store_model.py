"""A store against a dict: random operations have the same results on both."""

from __future__ import annotations

import random
from collections.abc import Callable

from pegboard.contracts.storage import ABSENT, Entry, FileKey, KeyRange, Store, every_key
from pegboard.errors import ConflictError

__all__ = ["compare_with_a_dict", "content", "file_key"]

_MODEL_NAMES = ("a", "A", "ab", "\u00e9", "e\u0301")


def file_key(
    name: str = "notes.data", *, scope: str = "mod_data", owner: str = "", mod: str = "notes"
) -> FileKey:
    """Return a key of which only what matters has to be said."""
    return FileKey(scope=scope, owner=owner, mod=mod, name=name)


def content(store: Store, key: FileKey | None = None) -> bytes | None:
    """Return what a file holds, None where there is none."""
    entry = store.read(key or file_key())
    return None if entry is None else entry.data


def compare_with_a_dict(open_store: Callable[[], Store], seed: int, steps: int) -> None:
    """Do random operations on a store and on a dict, and compare each result."""
    chance = random.Random(seed)  # noqa: S311 - it has to be repeatable
    store, model = open_store(), _Model()
    for step in range(steps):
        if store.capabilities.durable and chance.random() < 0.02:
            store = open_store()
        operation = chance.choice(_OPERATIONS)
        key = file_key(chance.choice(_MODEL_NAMES), mod=chance.choice("ab"))
        data = b"[%d]" % chance.randrange(4)
        condition = chance.choice(("any", "absent", "current", "old"))
        real = operation(store, model, key, data, condition)
        assert real, f"seed {seed}, step {step}: {operation.__name__} {key} {condition}"
    assert {key: content(store, key) for key in every_key(store)} == model.files


class _Model:
    """The dict, and the versions that the store has given.

    Attributes:
        files: Content by key.
        versions: Version of what is there, by key.
        old: A version that was, of another content, by key.
    """

    def __init__(self) -> None:
        self.files: dict[FileKey, bytes] = {}
        self.versions: dict[FileKey, str] = {}
        self.old: dict[FileKey, tuple[bytes, str]] = {}

    def expected(self, key: FileKey, condition: str) -> tuple[str | None, bool]:
        """Return the expected version that a condition names, and whether it holds."""
        if condition == "any":
            return None, True
        if condition == "absent":
            return ABSENT, key not in self.files
        if condition == "current" and key in self.files:
            return self.versions[key], True
        if condition == "old" and key in self.old:
            data, version = self.old[key]
            return version, version == self.versions.get(key) or data == self.files.get(key)
        return "a version that never was", False

    def put(self, key: FileKey, data: bytes, version: str) -> None:
        """Note a write."""
        self.drop(key)
        self.files[key], self.versions[key] = data, version

    def drop(self, key: FileKey) -> bool:
        """Note a deletion."""
        if key not in self.files:
            return False
        self.old[key] = (self.files.pop(key), self.versions.pop(key))
        return True


def _write(store: Store, model: _Model, key: FileKey, data: bytes, condition: str) -> bool:
    expected, holds = model.expected(key, condition)
    try:
        written = store.write(key, data, expected_version=expected)
    except ConflictError:
        return not holds or _same_content_again(model, key, condition)
    model.put(key, data, written.version)
    return holds


def _delete(store: Store, model: _Model, key: FileKey, data: bytes, condition: str) -> bool:
    del data
    condition = "any" if condition == "absent" else condition
    expected, holds = model.expected(key, condition)
    try:
        removed = store.delete(key, expected_version=expected)
    except ConflictError:
        return not holds or _same_content_again(model, key, condition)
    return holds and removed == model.drop(key)


def _same_content_again(model: _Model, key: FileKey, condition: str) -> bool:
    """Whether an old version has today's content: stores may tell such apart, or not."""
    return condition == "old" and model.old[key][0] == model.files.get(key)


def _read(store: Store, model: _Model, key: FileKey, data: bytes, condition: str) -> bool:
    del data, condition
    entry = store.read(key)
    if entry is None:
        return key not in model.files
    return (entry.data, entry.version) == (model.files.get(key), model.versions.get(key))


def _update(store: Store, model: _Model, key: FileKey, data: bytes, condition: str) -> bool:
    before = model.files.get(key)
    seen: list[bytes | None] = []

    def change(entry: Entry | None) -> bytes | None:
        seen.append(None if entry is None else entry.data)
        return None if condition == "old" else data

    entry = store.update(key, change)
    if condition != "old":
        assert entry is not None
        model.put(key, entry.data, entry.version)
    return seen == [before] and model.files.get(key) == (None if entry is None else entry.data)


def _list(store: Store, model: _Model, key: FileKey, data: bytes, condition: str) -> bool:
    del data
    prefix = key.name[0] if condition == "old" else ""
    within = KeyRange(scope=key.scope, owner=key.owner, mod=key.mod, prefix=prefix)
    found = list(every_key(store, within, page=2))
    return sorted(found) == sorted(each for each in model.files if each in within)


_OPERATIONS = (_write, _write, _delete, _read, _update, _list)

"""A store that keeps versions of another store is a store, and loses nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pegboard.contracts.storage import ABSENT, FileKey, Store
from pegboard.errors import ConflictError, CorruptError
from pegboard.testing.store_suite import StoreSuite, file_key
from pegboard_files import MissingError, VersionedStore
from pegboard_storage_local import LocalStore


class TestVersionedStore(StoreSuite):
    steps = 60
    increments = 5

    @pytest.fixture
    def open_store(self, tmp_path: Path) -> Callable[[], Store]:
        return lambda: VersionedStore(LocalStore(tmp_path / "files"), tmp_path / "versions")


@pytest.fixture
def store(tmp_path: Path) -> VersionedStore:
    return VersionedStore(LocalStore(tmp_path / "files"), tmp_path / "versions")


def contents(store: VersionedStore, key: FileKey) -> list[bytes]:
    return [store.read_version(key, each.version) for each in store.versions(key)]


def test_what_a_write_or_a_delete_takes_away_is_kept(store: VersionedStore) -> None:
    key = file_key("a")
    for content in (b"one", b"two", b"two", b"three"):
        store.write(key, content)
    store.delete(key)
    assert contents(store, key) == [b"one", b"two", b"three"]
    store.restore_version(key, 1)
    entry = store.read(key)
    assert entry is not None
    assert entry.data == b"one"
    with pytest.raises(MissingError):
        store.read_version(key, 9)


def test_files_have_histories_of_their_own(store: VersionedStore) -> None:
    for name in ("a", "A", "b"):
        for n in range(2):
            store.write(file_key(name), f"{name} {n}".encode())
    assert [contents(store, file_key(name)) for name in "aAb"] == [[b"a 0"], [b"A 0"], [b"b 0"]]


def test_a_delete_that_expects_no_file_removes_none(store: VersionedStore) -> None:
    store.write(file_key("a"), b"one")
    with pytest.raises(ConflictError):
        store.delete(file_key("a"), expected_version=ABSENT)
    assert store.read(file_key("a")) is not None
    assert store.delete(file_key("a"))
    assert not store.delete(file_key("a"))
    assert contents(store, file_key("a")) == [b"one"]


@pytest.mark.parametrize("act", ["write", "delete"])
def test_a_damaged_file_can_be_replaced_and_removed(
    store: VersionedStore, tmp_path: Path, act: str
) -> None:
    key = file_key("a")
    store.write(key, b"one")
    files = [each for each in (tmp_path / "files").rglob("*") if each.is_file()]
    (path,) = [each for each in files if b"one" in each.read_bytes()]
    path.write_bytes(b"torn")
    with pytest.raises(CorruptError):
        store.read(key)
    if act == "write":
        store.write(key, b"two")
    else:
        assert store.delete(key)
    entry = store.read(key)
    assert (None if entry is None else entry.data) == (b"two" if act == "write" else None)

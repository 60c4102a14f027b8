"""The addresses of files, and the conformance suite against a store of a few lines."""

import unicodedata
from collections.abc import Callable
from threading import Lock
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pegboard.contracts._portable_name import decode_name, encode_name
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
from pegboard.errors import ConflictError, InputError
from pegboard.testing.store_suite import HOSTILE_NAMES, StoreSuite, file_key

ALLOWED = set("abcdefghijklmnopqrstuvwxyz0123456789._-!=/")


@given(st.text())
def test_a_name_comes_back_from_its_encoding(name: str) -> None:
    try:
        encoded = encode_name(name)
    except UnicodeEncodeError:
        return
    assert decode_name(encoded) == name
    assert set(encoded) <= ALLOWED
    assert all(0 < len(part) <= 122 for part in encoded.split("/"))


@given(st.text(alphabet="=!-./ab2dA", max_size=12))
def test_no_two_encodings_mean_one_name(encoded: str) -> None:
    name = decode_name(encoded)
    assert name is None or encode_name(name) == encoded


@pytest.mark.parametrize(
    ("name", "encoded"),
    [
        ("settings.config", "settings.config"),
        ("MyModule", "!my!module"),
        ("", "-"),
        ("-", "=2d"),
        ("..", "=2e=2e"),
        ("a/b", "a=2fb"),
        ("con.data", "=63on.data"),
        ("Con", "=43on"),
        ("a.", "a=2e"),
        ("caf\u00e9", "caf=c3=a9"),
    ],
)
def test_names_are_legible_where_they_can_be(name: str, encoded: str) -> None:
    assert encode_name(name) == encoded


def test_hostile_names_stay_apart_on_file_systems_that_fold() -> None:
    def fold(path: str) -> str:
        return unicodedata.normalize("NFKC", path).casefold().rstrip(". ")

    names = list(dict.fromkeys(HOSTILE_NAMES))
    paths = {fold(file_key(name).path) for name in names}
    assert len(paths) == len(names) >= 200
    for path in paths:
        assert not {"", ".", ".."} & set(path.split("/"))
        assert len(path) <= 900


def test_a_key_comes_back_from_its_path() -> None:
    for name in HOSTILE_NAMES:
        owner = name if len(name.encode()) <= 128 else "long"
        key = FileKey(scope="user_private", owner=owner, mod="m", name=name)
        assert FileKey.from_path(key.path) == key
        assert key.path.startswith(KeyRange(scope="user_private", owner=owner, mod="m").path)


@pytest.mark.parametrize("path", ["", "a", "a/b/c", "a/b/c/D", "a/b/c/d/e", "a/b/c/=41", "a//b/c"])
def test_other_paths_are_no_keys(path: str) -> None:
    assert FileKey.from_path(path) is None


@pytest.mark.parametrize(
    "wrong",
    [{"scope": ""}, {"name": ""}, {"name": "x" * 256}, {"owner": "x" * 129}, {"name": "\ud800"}],
)
def test_a_key_that_no_store_could_hold_is_refused(wrong: dict[str, str]) -> None:
    parts = {"scope": "mod_data", "owner": "", "mod": "m", "name": "n"}
    with pytest.raises(InputError):
        FileKey(**{**parts, **wrong})


def test_a_range_is_given_from_the_top() -> None:
    with pytest.raises(InputError):
        KeyRange(mod="m")
    with pytest.raises(InputError):
        KeyRange(scope="mod_data", prefix="x")


class DictStore(Store):
    """The least that is a store."""

    capabilities = Capabilities(backend="dict", shared=True, max_size=2_000_000, deadline=10)

    def __init__(self, shared: SimpleNamespace) -> None:
        self._shared = shared

    def read(self, key: FileKey) -> Entry | None:
        return self._shared.files.get(key)

    def write(self, key: FileKey, data: bytes, *, expected_version: str | None = None) -> Written:
        if len(data) > 2_000_000:
            from pegboard.errors import TooLargeError

            raise TooLargeError("too long")
        with self._shared.lock:
            self._check(key, expected_version)
            self._shared.writes += 1
            version = str(self._shared.writes)
            self._shared.files[key] = Entry(data=data, version=version)
        return Written(version=version)

    def delete(self, key: FileKey, *, expected_version: str | None = None) -> bool:
        with self._shared.lock:
            self._check(key, expected_version)
            return self._shared.files.pop(key, None) is not None

    def list(self, within: KeyRange, *, cursor: str = "", limit: int = 1000) -> KeyPage:
        paths = sorted(k.path for k in self._shared.files if k in within and k.path > cursor)
        keys = tuple(FileKey.from_path(path) for path in paths[:limit])
        return KeyPage(keys=keys, cursor=paths[limit - 1] if len(paths) > limit else "")

    def _check(self, key: FileKey, expected: str | None) -> None:
        entry = self._shared.files.get(key)
        current = ABSENT if entry is None else entry.version
        if expected not in {None, current}:
            raise ConflictError(f"{key} was changed")


class TestDictStore(StoreSuite):
    @pytest.fixture
    def open_store(self) -> Callable[[], Store]:
        shared = SimpleNamespace(files={}, writes=0, lock=Lock())
        return lambda: DictStore(shared)

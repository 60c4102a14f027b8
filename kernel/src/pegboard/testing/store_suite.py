"""What every store has to do: subclass `StoreSuite` and give it yours.

```python
class TestMyStore(StoreSuite):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> Callable[[], Store]:
        return lambda: MyStore(tmp_path)
```

Each call of `open_store` answers another object on the same data, as another process has it; each
test starts with no data. What a store does not declare among its capabilities is not asked of it;
that it declares the truth is: a store that says it is durable is opened again and read, one that is
shared is raced through two objects.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier, Event
from typing import ClassVar, TypeVar

import pytest

from pegboard.contracts.storage import ABSENT, Entry, FileKey, KeyRange, Store, every_key
from pegboard.errors import ConflictError, InputError, TooLargeError
from pegboard.testing._hostile_name import HOSTILE_NAMES
from pegboard.testing._store_model import compare_with_a_dict, content, file_key

__all__ = ["HOSTILE_NAMES", "StoreSuite", "file_key"]

T = TypeVar("T")


class StoreSuite:
    """The contract `pegboard.contracts.storage.Store` as tests.

    Attributes:
        steps: Operations of the test that compares the store with a dict.
        increments: What each of four threads counts in the test of `update`.
    """

    steps: ClassVar[int] = 300
    increments: ClassVar[int] = 25

    @pytest.fixture
    def open_store(self) -> Callable[[], Store]:
        """Give a function that opens the store under test."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, open_store: Callable[[], Store]) -> Store:
        """Give the store under test."""
        return open_store()

    # -- reading and writing ---------------------------------------------------------------

    def test_what_was_never_written_is_not_there(self, store: Store) -> None:
        """It is None, not an error and not an empty file."""
        assert store.read(file_key()) is None

    @pytest.mark.parametrize(
        "data", [b"", b"{}", bytes(range(256)), b"\r\n\x00\n", b"x" * 1_000_000], ids=len
    )
    def test_bytes_come_back_as_they_were_written(self, store: Store, data: bytes) -> None:
        """No byte is added, lost or translated."""
        if not store.capabilities.opaque:
            data = b"{}"
        written = store.write(file_key(), data)
        assert not written.pending
        assert store.read(file_key()) == Entry(data=data, version=written.version)

    def test_another_content_has_another_version(self, store: Store) -> None:
        """A condition is worth what its version tells apart."""
        versions = [store.write(file_key(), b"[%d]" % number).version for number in range(20)]
        assert len(set(versions)) == 20
        assert all(versions)

    def test_a_file_that_is_too_long_is_refused(self, store: Store) -> None:
        """The limit that the store declares is the one that it has."""
        limit = store.capabilities.max_size
        if limit is not None:
            store.write(file_key("short"), b"x" * limit)
            with pytest.raises(TooLargeError):
                store.write(file_key(), b"x" * (limit + 1))
            assert store.read(file_key()) is None

    def test_what_was_written_is_there_for_the_next_one(
        self, open_store: Callable[[], Store]
    ) -> None:
        """A durable store can be opened again."""
        first = open_store()
        written = first.write(file_key(), b"[1]")
        if first.capabilities.durable or first.capabilities.shared:
            assert open_store().read(file_key()) == Entry(data=b"[1]", version=written.version)

    # -- conditions ------------------------------------------------------------------------

    def test_a_new_file_is_made_once(self, store: Store) -> None:
        """`ABSENT` is a condition as any other."""
        store.write(file_key(), b"[1]", expected_version=ABSENT)
        with pytest.raises(ConflictError):
            store.write(file_key(), b"[2]", expected_version=ABSENT)
        assert content(store) == b"[1]"

    def test_the_version_that_was_read_may_be_replaced(self, store: Store) -> None:
        """By whichever way it became known."""
        first = store.write(file_key(), b"[1]")
        second = store.write(file_key(), b"[2]", expected_version=first.version)
        entry = store.read(file_key())
        assert entry is not None
        assert entry.version == second.version
        store.write(file_key(), b"[3]", expected_version=entry.version)
        assert content(store) == b"[3]"

    def test_an_old_version_is_a_conflict_and_nothing_is_written(self, store: Store) -> None:
        """Whoever was faster keeps what they wrote."""
        old = store.write(file_key(), b"[1]").version
        new = store.write(file_key(), b"[2]").version
        with pytest.raises(ConflictError):
            store.write(file_key(), b"[3]", expected_version=old)
        assert store.read(file_key()) == Entry(data=b"[2]", version=new)

    def test_a_file_that_is_gone_has_no_version(self, store: Store) -> None:
        """What was deleted is not brought back by somebody who did not see it go."""
        version = store.write(file_key(), b"[1]").version
        store.delete(file_key())
        with pytest.raises(ConflictError):
            store.write(file_key(), b"[2]", expected_version=version)
        assert store.read(file_key()) is None
        store.write(file_key(), b"[3]", expected_version=ABSENT)
        assert content(store) == b"[3]"

    def test_a_deleted_file_is_gone(self, store: Store) -> None:
        """And it is told whether there was one."""
        store.write(file_key(), b"[1]")
        assert store.delete(file_key())
        assert not store.delete(file_key())
        assert store.read(file_key()) is None
        assert list(every_key(store)) == []

    def test_an_old_version_cannot_be_deleted(self, store: Store) -> None:
        """A deletion is a write."""
        old = store.write(file_key(), b"[1]").version
        new = store.write(file_key(), b"[2]").version
        with pytest.raises(ConflictError):
            store.delete(file_key(), expected_version=old)
        assert content(store) == b"[2]"
        assert store.delete(file_key(), expected_version=new)
        with pytest.raises(ConflictError):
            store.delete(file_key(), expected_version=new)

    # -- keys ------------------------------------------------------------------------------

    def test_each_part_of_a_key_tells_files_apart(self, store: Store) -> None:
        """Scope, owner, mod and name, and where one ends and the next begins."""
        keys = [
            file_key(),
            file_key(scope="user_private", owner="alice"),
            file_key(scope="user_private", owner="bob"),
            file_key(owner="alice"),
            file_key(mod="other"),
            file_key(owner="no", mod="tes"),
            file_key(mod="", owner="notes"),
            file_key("other.data"),
        ]
        for number, key in enumerate(keys):
            store.write(key, b"[%d]" % number)
        assert [content(store, key) for key in keys] == [b"[%d]" % n for n in range(len(keys))]
        assert sorted(every_key(store)) == sorted(keys)

    def test_no_two_hostile_names_meet(self, store: Store) -> None:
        """Each is a file of its own and is listed by the name it has."""
        assert len(set(HOSTILE_NAMES)) >= 200
        keys = [file_key(name) for name in dict.fromkeys(HOSTILE_NAMES)]
        for number, key in enumerate(keys):
            store.write(key, b"[%d]" % number, expected_version=ABSENT)
        for number, key in enumerate(keys):
            assert content(store, key) == b"[%d]" % number, key
        assert sorted(every_key(store)) == sorted(keys)

    def test_owners_and_mods_may_have_hostile_names(self, store: Store) -> None:
        """An owner is what somebody's identity provider says."""
        names = [name for name in dict.fromkeys(HOSTILE_NAMES) if len(name.encode()) <= 128][::7]
        keys = [file_key(owner=name, scope="user_private") for name in names]
        keys += [file_key(mod=name) for name in names]
        for number, key in enumerate(keys):
            store.write(key, b"[%d]" % number, expected_version=ABSENT)
        assert [content(store, key) for key in keys] == [b"[%d]" % n for n in range(len(keys))]

    # -- listing ---------------------------------------------------------------------------

    def test_a_listing_holds_what_is_in_the_range(self, store: Store) -> None:
        """And a name that begins alike is in the range of a prefix, a mod that does is not."""
        keys = [
            *(file_key(f"a{number}", scope="user_private", owner="ann") for number in range(3)),
            file_key("b", scope="user_private", owner="ann"),
            file_key("a", scope="user_private", owner="anna"),
            file_key("a", scope="user_private", owner="ann", mod="notes2"),
            file_key("a"),
        ]
        for key in keys:
            store.write(key, b"[]")
        user = {"scope": "user_private", "owner": "ann"}
        for within in (
            KeyRange(),
            KeyRange(scope="user_private"),
            KeyRange(scope="user_private", owner="ann"),
            KeyRange(**user, mod="notes"),
            KeyRange(**user, mod="notes", prefix="a"),
            KeyRange(**user, mod="notes", prefix="c"),
            KeyRange(scope="server"),
        ):
            expected = sorted(key for key in keys if key in within)
            assert sorted(every_key(store, within)) == expected, within

    @pytest.mark.parametrize("limit", [1, 3, 10, 11])
    def test_a_listing_goes_on_where_the_page_before_ended(self, store: Store, limit: int) -> None:
        """No page is longer than asked for, no key comes twice and none is missed."""
        keys = [file_key(f"f{number}", mod=f"m{number % 3}") for number in range(10)]
        for key in keys:
            store.write(key, b"[]")
        cursor = ""
        seen: list[FileKey] = []
        while True:
            page = store.list(KeyRange(), cursor=cursor, limit=limit)
            assert len(page.keys) <= limit
            seen += page.keys
            cursor = page.cursor
            if not cursor:
                break
        assert sorted(seen) == sorted(keys)

    def test_a_listing_copes_with_what_comes_and_goes(self, store: Store) -> None:
        """What was there all the time is in it once."""
        stays = [file_key(f"stay{number}") for number in range(10)]
        goes = [file_key(f"go{number}") for number in range(10)]
        for key in stays + goes:
            store.write(key, b"[]")
        seen: list[FileKey] = []
        for number, key in enumerate(every_key(store, page=2)):
            seen.append(key)
            if number % 2 == 0 and goes:
                store.delete(goes.pop())
                store.write(file_key(f"come{number}"), b"[]")
        assert len(seen) == len(set(seen))
        assert set(stays) <= set(seen)

    def test_a_cursor_that_it_never_gave_is_refused_or_an_end(self, store: Store) -> None:
        """It comes from outside, and leads nowhere else."""
        store.write(file_key(), b"[]")
        for cursor in (
            "../../etc",
            "\x00",
            "/",
            "zzzz",
            "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
        ):
            try:
                page = store.list(KeyRange(scope="server"), cursor=cursor)
            except InputError:
                continue
            assert page.keys == ()

    # -- update ----------------------------------------------------------------------------

    def test_an_update_sees_what_is_there_and_answers_what_is_there_then(
        self, store: Store
    ) -> None:
        """None stands for no file, and as an answer for no change."""
        seen: list[bytes | None] = []

        def change(entry: Entry | None, *, answer: bytes | None) -> bytes | None:
            seen.append(None if entry is None else entry.data)
            return answer

        assert store.update(file_key(), partial(change, answer=None)) is None
        assert store.read(file_key()) is None
        made = store.update(file_key(), partial(change, answer=b"[1]"))
        assert made == store.read(file_key())
        assert store.update(file_key(), partial(change, answer=None)) == made
        assert store.update(file_key(), partial(change, answer=b"[2]")) == store.read(file_key())
        assert seen == [None, None, b"[1]", b"[1]"]
        assert content(store) == b"[2]"

    def test_an_update_that_raises_changes_nothing(self, store: Store) -> None:
        """And the next one is not kept waiting."""

        def fail(_entry: Entry | None) -> bytes:
            msg = "the change failed on purpose"
            raise LookupError(msg)

        store.write(file_key(), b"[1]")
        with pytest.raises(LookupError):
            store.update(file_key(), fail)
        assert content(store) == b"[1]"
        store.update(file_key(), lambda _entry: b"[2]")
        assert content(store) == b"[2]"

    def test_what_is_sound_is_not_mended(self, store: Store) -> None:
        """And what is not is replaced by what was there before, where the store keeps that."""
        assert store.mend(file_key(), lambda _entry: True) is None
        store.write(file_key(), b"[1]")
        entry = Entry(data=b"[2]", version=store.write(file_key(), b"[2]").version)
        assert store.mend(file_key(), lambda found: found == entry) == entry
        before = store.previous(file_key())
        mended = store.mend(file_key(), lambda found: found.data == b"[1]")
        assert (None if mended is None else mended.data) == (None if before is None else b"[1]")
        assert store.read(file_key()) == (entry if before is None else mended)

    # -- several at once -------------------------------------------------------------------

    def test_who_count_together_lose_nothing(self, open_store: Callable[[], Store]) -> None:
        """Four threads, through two objects if the store is shared."""
        first = open_store()
        second = open_store() if first.capabilities.shared else first

        def count(store: Store) -> None:
            for _ in range(self.increments):
                store.update(file_key(), _increment)

        _together([partial(count, store) for store in (first, second, first, second)])
        assert content(first) == b"%d" % (4 * self.increments)

    def test_one_of_many_makes_a_file(self, open_store: Callable[[], Store]) -> None:
        """The others are told of the conflict."""
        first = open_store()
        stores = [first, open_store() if first.capabilities.shared else first] * 4
        for number in range(5):
            key = file_key(f"race{number}")
            tries = [
                partial(_try_to_make, store, key, b"[%d]" % n) for n, store in enumerate(stores)
            ]
            winners = [made for made in _together(tries) if made is not None]
            assert winners == [content(first, key)]

    def test_a_reader_beside_a_writer_sees_whole_files(
        self, open_store: Callable[[], Store]
    ) -> None:
        """The old content or the new, of any length."""
        writer = open_store()
        reader = open_store() if writer.capabilities.shared else writer
        contents = [b"%d" % digit * length for digit, length in ((1, 10), (2, 50_000), (3, 1_000))]
        writer.write(file_key(), contents[0])
        done = Event()

        def read() -> set[bytes | None]:
            seen: set[bytes | None] = set()
            while not done.is_set():
                seen.add(content(reader))
            return seen

        def write() -> set[bytes | None]:
            for number in range(30):
                writer.write(file_key(), contents[number % 3])
            done.set()
            return set()

        seen = set().union(*_together([read, read, write]))
        assert seen <= set(contents)

    # -- against a dict --------------------------------------------------------------------

    @pytest.mark.parametrize("seed", range(3))
    def test_it_does_what_a_dict_does(self, open_store: Callable[[], Store], seed: int) -> None:
        """Random operations have the same results on both, and leave the same behind."""
        compare_with_a_dict(open_store, seed, self.steps)

    # -- deadlines -------------------------------------------------------------------------

    def test_it_says_how_long_a_call_may_take(self, store: Store) -> None:
        """And keeps to it."""
        assert 0 < store.capabilities.deadline <= 120
        assert store.capabilities.backend
        start = time.monotonic()
        store.read(file_key())
        assert time.monotonic() - start <= store.capabilities.deadline


def _increment(entry: Entry | None) -> bytes:
    return b"%d" % (1 if entry is None else int(entry.data) + 1)


def _try_to_make(store: Store, key: FileKey, data: bytes) -> bytes | None:
    try:
        store.write(key, data, expected_version=ABSENT)
    except ConflictError:
        return None
    return data


def _together(functions: Sequence[Callable[[], T]]) -> list[T]:
    """Run all at once, each in a thread, and return what they return."""
    barrier = Barrier(len(functions))

    def run(function: Callable[[], T]) -> T:
        barrier.wait()
        return function()

    with ThreadPoolExecutor(len(functions)) as pool:
        return list(pool.map(run, functions))

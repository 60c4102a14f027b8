"""What becomes of writes and reads while a service is away, and afterwards."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from pegboard.contracts.storage import ABSENT, FileKey, KeyRange, Written, every_key
from pegboard.errors import ConflictError, CorruptError, UnavailableError
from pegboard_storage_cloud import CloudStore
from pegboard_storage_cloud._outbox import Outbox
from pegboard_storage_cloud._remote import Remote
from pegboard_storage_cloud._services import STUCK, _check, _is_stuck
from tests.plugins.storage_cloud.conftest import damage, store_on
from tests.servers.proxy import Proxy

KEY = FileKey(scope="mod_data", owner="", mod="notes", name="today.data")


def key(name: str) -> FileKey:
    return FileKey(scope="mod_data", owner="", mod="notes", name=name)


@pytest.fixture
def proxy(request: pytest.FixtureRequest, open_remote: Callable[..., Remote]) -> Iterator[Proxy]:
    name = request.node.callspec.params["open_remote"]
    with Proxy(request.getfixturevalue(f"{name}_server").port) as proxy:
        yield proxy


@pytest.fixture
def store(open_remote: Callable[..., Remote], proxy: Proxy, tmp_path: Path) -> CloudStore:
    """A store that loses its service when the proxy is cut."""
    return store_on(open_remote(port=proxy.port), tmp_path / "here")


@pytest.fixture
def other(open_remote: Callable[..., Remote], tmp_path: Path) -> CloudStore:
    """The same files, as another machine sees them, which loses nothing."""
    return store_on(open_remote(), tmp_path / "there")


def outbox_of(store: CloudStore) -> Outbox:
    assert store._outbox is not None
    return store._outbox


def until_sent(store: CloudStore) -> None:
    """Send what waits, as the app does all the time."""
    pause = threading.Event()
    while not store.send_waiting():
        pause.wait(store.wait)


def test_a_write_waits_here_and_is_sent_when_the_service_is_back(
    store: CloudStore, other: CloudStore, proxy: Proxy
) -> None:
    assert store.write(KEY, b"[1]").pending is False
    proxy.cut()
    written = store.write(KEY, b"[2]")
    assert written.pending
    assert other.read(KEY).data == b"[1]"
    proxy.mend()
    until_sent(store)
    entry = other.read(KEY)
    assert (entry.data, entry.version) == (b"[2]", written.version)
    assert store.read(KEY) == entry
    assert outbox_of(store).items() == []


def test_a_write_waits_through_a_restart(
    open_remote: Callable[..., Remote], proxy: Proxy, other: CloudStore, tmp_path: Path
) -> None:
    proxy.cut()
    first = store_on(open_remote(port=proxy.port), tmp_path / "here")
    assert first.write(KEY, b"[1]", expected_version=ABSENT).pending
    del first
    proxy.mend()
    second = store_on(open_remote(port=proxy.port), tmp_path / "here")
    assert second.read(KEY).data == b"[1]"  # it is sent before it is read
    assert other.read(KEY).data == b"[1]"


def test_a_read_answers_the_last_copy_and_says_so(store: CloudStore, proxy: Proxy) -> None:
    version = store.write(KEY, b"[1]").version
    proxy.cut()
    entry = store.read(KEY)
    assert (entry.data, entry.version) == (b"[1]", version)
    assert entry.stale_since is not None
    proxy.mend()
    until_there(store)
    assert store.read(KEY).stale_since is None


def until_there(store: CloudStore) -> None:
    pause = threading.Event()
    while store.read(KEY).stale_since is not None:
        pause.wait(store.wait)


def test_a_read_of_what_was_never_seen_is_no_empty_file(store: CloudStore, proxy: Proxy) -> None:
    proxy.cut()
    with pytest.raises(UnavailableError):
        store.read(KEY)
    with pytest.raises(UnavailableError):
        store.list(KeyRange())


def test_an_update_is_refused_while_nobody_knows_what_is_there(
    store: CloudStore, proxy: Proxy
) -> None:
    store.write(KEY, b"[1]")
    proxy.cut()
    with pytest.raises(UnavailableError):
        store.update(KEY, lambda _entry: b"[2]")


def test_writes_follow_one_another_while_the_service_is_away(
    store: CloudStore, other: CloudStore, proxy: Proxy
) -> None:
    version = store.write(KEY, b"[0]").version
    proxy.cut()
    for number in range(1, 20):
        version = store.write(KEY, b"[%d]" % number, expected_version=version).version
        assert store.read(KEY).data == b"[%d]" % number
    with pytest.raises(ConflictError):
        store.write(KEY, b"[x]", expected_version=ABSENT)
    assert len(outbox_of(store).items()) <= 2  # what may have arrived, and the last one
    proxy.mend()
    until_sent(store)
    assert other.read(KEY).data == b"[19]"
    assert outbox_of(store).items() == []


def test_a_removal_waits_as_well(store: CloudStore, other: CloudStore, proxy: Proxy) -> None:
    store.write(KEY, b"[1]")
    proxy.cut()
    assert store.delete(KEY)
    assert store.read(KEY) is None
    assert not store.delete(KEY)
    with pytest.raises(UnavailableError):
        store.delete(key("never seen"))
    proxy.mend()
    until_sent(store)
    assert other.read(KEY) is None


def test_a_listing_has_what_waits(store: CloudStore, proxy: Proxy) -> None:
    store.write(key("a"), b"[]")
    store.write(key("c"), b"[]")
    proxy.cut()
    store.write(key("b"), b"[]")
    store.write(key("d"), b"[]")
    store.delete(key("c"))
    waiting = outbox_of(store).below("")
    assert list(waiting.values()) == [True, True, False]
    proxy.mend()
    until_sent(store)
    assert [each.name for each in every_key(store, page=1)] == ["a", "b", "d"]


def test_both_are_kept_when_others_have_written(
    store: CloudStore, other: CloudStore, proxy: Proxy
) -> None:
    store.write(KEY, b"[1]")
    proxy.cut()
    store.write(KEY, b"[mine]")
    store.write(KEY, b"[mine, later]")
    theirs = other.write(KEY, b"[theirs]").version
    proxy.mend()
    until_sent(store)
    assert store.read(KEY).data == b"[theirs]"
    (item,) = outbox_of(store).items()
    assert (item.state, item.theirs) == ("conflict", theirs)
    assert outbox_of(store).get(item.id).data == b"[mine, later]"
    assert store.statistics().conflicts == 1
    store.write(KEY, b"[after]", expected_version=theirs)  # it holds nobody up


@pytest.mark.parametrize("whose", ["mine", "theirs"])
def test_a_conflict_is_decided(
    store: CloudStore, other: CloudStore, proxy: Proxy, whose: str
) -> None:
    store.write(KEY, b"[1]")
    proxy.cut()
    store.write(KEY, b"[mine]")
    other.delete(KEY)
    other.write(KEY, b"[theirs]")
    proxy.mend()
    until_sent(store)
    (item,) = outbox_of(store).items()
    outbox_of(store).resolve(item.id, whose)
    until_sent(store)
    assert other.read(KEY).data == b"[%s]" % whose.encode()
    assert outbox_of(store).items() == []


def test_a_write_whose_answer_is_lost_is_no_conflict(
    store: CloudStore, other: CloudStore, proxy: Proxy
) -> None:
    version = store.write(KEY, b"[0]").version
    for number in range(1, 20):
        proxy.swallow_answers(1 + number % 3)
        version = store.write(KEY, b"[%d]" % number, expected_version=version).version
        until_sent(store)
        assert other.read(KEY).data == b"[%d]" % number
        assert other.read(KEY).version == version
    assert outbox_of(store).items() == []


@pytest.mark.parametrize("is_removed", [False, True])
def test_a_write_that_arrived_and_was_built_upon_is_no_conflict(
    store: CloudStore, other: CloudStore, proxy: Proxy, is_removed: bool
) -> None:
    version = store.write(KEY, b"[0]").version
    proxy.swallow_answers(1_000_000)
    assert store.write(KEY, b"[1]", expected_version=version).pending
    for number in range(2, 100):
        other.update(KEY, lambda _entry, number=number: b"[%d]" % number)
    if is_removed:
        other.delete(KEY)
    proxy.swallow_answers(0)
    until_sent(store)
    assert outbox_of(store).items() == []
    assert other.read(KEY) == (None if is_removed else store.read(KEY))


def test_a_file_that_is_damaged_at_the_service_holds_no_other_one_up(
    store: CloudStore, other: CloudStore, proxy: Proxy
) -> None:
    names = ("first", "second", "third")
    for name in names:
        store.write(key(name), b"[1]")
    proxy.cut()
    assert all(store.write(key(name), b"[2]").pending for name in names)
    damage(other._remote, key("first").path)
    proxy.mend()
    with pytest.raises(CorruptError, match="damaged"):
        until_sent(store)
    assert [other.read(key(name)).data for name in names[1:]] == [b"[2]", b"[2]"]
    assert [each.path for each in outbox_of(store).items()] == [key("first").path]
    check = _check("it", store)
    assert check.ok
    made_at = datetime.now(UTC) - timedelta(seconds=STUCK + 1)
    assert _is_stuck(msgspec.structs.replace(store.statistics(), waiting_since=made_at))


def test_a_full_outbox_refuses_writes(
    open_remote: Callable[..., Remote], proxy: Proxy, tmp_path: Path
) -> None:
    proxy.cut()
    store = store_on(open_remote(port=proxy.port), tmp_path, outbox_bytes=1000)
    assert store.write(key("a"), b"x" * 900).pending
    with pytest.raises(UnavailableError, match="outbox_bytes"):
        store.write(key("b"), b"x" * 101)
    assert store.write(key("c"), b"x" * 100).pending


def test_two_processes_with_one_outbox_send_each_write_once(
    open_remote: Callable[..., Remote], proxy: Proxy, other: CloudStore, tmp_path: Path
) -> None:
    stores = [store_on(open_remote(port=proxy.port), tmp_path / "here") for _ in range(2)]
    proxy.cut()
    written: list[Written] = [
        stores[number % 2].write(key(str(number % 5)), b"[%d]" % number) for number in range(20)
    ]
    assert all(each.pending for each in written)
    proxy.mend()
    threads = [threading.Thread(target=until_sent, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outbox_of(stores[0]).items() == []
    assert [other.read(key(str(n))).data for n in range(5)] == [b"[%d]" % n for n in range(15, 20)]

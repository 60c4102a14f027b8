"""Killed writers, full and read-only places, devices that fail, damage, links: nothing is lost.

`PEGBOARD_CHAOS=500` kills 500 writers at random, and one at each call to the system.
"""

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from pegboard.contracts.storage import KeyRange, every_key
from pegboard.errors import CorruptError, PegboardError, UnavailableError
from pegboard.testing.store_suite import file_key
from pegboard_storage_local import LocalStore
from pegboard_storage_local._lock import Lock
from scripts.environment import ROOT
from tests import fault

COUNT = int(os.environ.get("PEGBOARD_CHAOS", "0"))
CHAOS = Path(__file__).with_name("chaos.py")
KEY = file_key()


TINY = ("unshare", "-rm", "sh", "-c", 'mount -t tmpfs -o size=64k tiny "$0" && exec "$@"')
"""Runs a program with a tiny file system of its own at a folder."""


def can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    with tempfile.TemporaryDirectory() as folder:
        return (
            subprocess.run([*TINY, folder, "true"], capture_output=True, check=False).returncode
            == 0
        )


def run(what: str, folder: Path, count: int = 0, *, on: tuple[str, ...] = ()) -> dict[str, int]:
    done = subprocess.run(
        [*on, sys.executable, str(CHAOS), what, str(folder), str(count)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture
def store(tmp_path):
    return LocalStore(tmp_path / "files")


@pytest.fixture
def open_folder():
    """A folder that every user can reach; that of `tmp_path` is for its owner alone."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.timeout(3600 if COUNT else 60)
def test_a_kill_at_any_call_leaves_the_old_or_the_new(tmp_path):
    assert run("calls", tmp_path, 1 if COUNT else 15)["killed"] > 10


@pytest.mark.timeout(3600 if COUNT else 60)
def test_a_kill_at_any_moment_loses_nothing_that_was_acknowledged(tmp_path):
    count = COUNT or 10
    found = run("random", tmp_path, count)
    assert found["killed"] == count
    assert found["acknowledged"] >= count


# A limit of the process everywhere; where it can be mounted, a file system without room as well.
@pytest.mark.parametrize("what", ["full", *["filled"] * can_mount()])
def test_a_file_that_does_not_fit_is_refused_and_the_old_one_is_there(tmp_path, what):
    on = (*TINY, str(tmp_path)) if what == "filled" else ()
    assert run(what, tmp_path, on=on) == {"refused": 2}


def test_a_folder_that_may_only_be_read_can_be_read(open_folder):
    assert run("read-only", open_folder) == {"refused": 2}


@pytest.mark.parametrize(
    ("call", "number"),
    [
        ("write", errno.ENOSPC),
        ("write", errno.EIO),
        ("fsync", errno.EIO),
        ("replace", errno.ENOSPC),
        ("open", errno.EROFS),
        ("open", errno.EMFILE),
        ("flock", errno.ENOLCK),
        ("unlink", errno.EIO),
        ("link", errno.EMLINK),
    ],
)
def test_what_the_device_refuses_is_an_error_and_the_old_content_stays(store, call, number):
    store.write(KEY, b"old")
    nth = 2 if call == "open" else 1  # a folder that does not open at once is opened step by step
    error = OSError(number, "injected")
    for act in (lambda: store.write(KEY, b"new"), lambda: store.update(KEY, lambda _: b"new")):
        with pytest.raises(UnavailableError), fault.failing(call, nth, error):
            act()
        assert store.read(KEY).data == b"old"
    store.write(KEY, b"new")
    assert store.previous(KEY).data == b"old"
    assert not list(store._folder.rglob("*~new"))


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_save_without_room_leaves_the_content_before_the_last_one(store, call):
    store.write(KEY, b"one")
    store.write(KEY, b"two")
    full = OSError(errno.ENOSPC, "injected")
    with pytest.raises(UnavailableError, match="unchanged"), fault.failing(call, 1, full):
        store.write(KEY, b"three")
    assert (store.read(KEY).data, store.previous(KEY).data) == (b"two", b"one")


def test_each_flipped_bit_is_found_and_the_content_before_is_offered(store):
    store.write(KEY, b"before")
    store.write(KEY, b'{"a": 1}')
    (path,) = [each for each in store._folder.rglob("notes.data") if each.is_file()]
    whole = path.read_bytes()
    for position in range(len(whole) * 8):
        changed = bytearray(whole)
        changed[position // 8] ^= 1 << position % 8
        path.write_bytes(changed)
        with pytest.raises(CorruptError, match=r"notes\.data"):
            store.read(KEY)
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(CorruptError):
            store.update(KEY, lambda _: b"lost")
    assert store.previous(KEY).data == b"before"
    store.write(KEY, b"after")
    assert store.previous(KEY).data == b"before"


def test_a_file_in_the_place_of_another_is_found(store):
    other = file_key("other.data")
    store.write(KEY, b"one")
    store.write(other, b"two")
    shutil.copy(store._folder / other.path, store._folder / KEY.path)
    with pytest.raises(CorruptError):
        store.read(KEY)


@pytest.mark.parametrize("kind", ["file", "folder", "inside", "pipe"])
def test_what_is_planted_in_the_place_of_a_file_is_not_followed(store, tmp_path, kind):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "notes.data").write_bytes(b"secret")
    store.write(KEY, b"mine")
    path = store._folder / KEY.path
    store.write(file_key("other.data"), b"other")
    if kind == "folder":
        shutil.rmtree(path.parent)
        path.parent.symlink_to(outside)
    else:
        path.unlink()
        if kind == "pipe":
            os.mkfifo(path)
        else:
            target = outside if kind == "file" else path.parent
            path.symlink_to(target / ("notes.data" if kind == "file" else "other.data"))
    for act in (
        lambda: store.read(KEY),
        lambda: store.write(KEY, b"new"),
        lambda: store.update(KEY, lambda _: b"new"),
    ):
        with pytest.raises(CorruptError):
            act()
    assert (outside / "notes.data").read_bytes() == b"secret"
    assert [each.name for each in outside.iterdir()] == ["notes.data"]
    if kind != "folder":
        assert store.read(file_key("other.data")).data == b"other"
    assert KEY not in list(every_key(store, KeyRange()))


def test_a_link_in_the_place_of_a_user_lists_nobody_elses_files(store):
    alice = file_key("private.secret.data", scope="user_private", owner="alice")
    store.write(alice, b"[1]")
    folder = store._folder / "user_private"
    (folder / "bob").symlink_to(folder / "alice")
    of_bob = KeyRange(scope="user_private", owner="bob")
    for within in (of_bob, KeyRange(scope="user_private", owner="bob", mod="notes")):
        assert list(every_key(store, within)) == []
    assert list(every_key(store)) == [alice]


def test_a_link_that_is_swapped_in_at_any_moment_is_never_followed(tmp_path):
    """One swaps files and folders for links while another reads and writes."""
    store = LocalStore(tmp_path / "files", durable=False)
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "notes.data").write_bytes(b"secret")
    bob = file_key(mod="bob")
    store.write(KEY, b"mine")
    store.write(bob, b"of bob")
    path = store._folder / KEY.path
    ending = threading.Event()
    targets = [outside / "notes.data", store._folder / bob.path]
    folders = [outside, (store._folder / bob.path).parent]

    def swap() -> None:
        aside = tmp_path / "aside"
        number = 0
        while not ending.is_set():
            number += 1
            victim = path if number % 2 else path.parent
            link = (targets if number % 2 else folders)[number // 2 % 2]
            with suppress(OSError):
                victim.rename(aside)
                victim.symlink_to(link)
                victim.unlink()
            with suppress(OSError):
                aside.rename(victim)
            if aside.is_dir():
                shutil.rmtree(aside)
            aside.unlink(missing_ok=True)

    thread = threading.Thread(target=swap)
    thread.start()
    seen = set()
    try:
        for number in range(COUNT * 20 or 300):
            with suppress(PegboardError):
                store.write(KEY, b"mine %d" % number)
            with suppress(PegboardError):
                entry = store.read(KEY)
                seen.add(None if entry is None else entry.data)
    finally:
        ending.set()
        thread.join()
    assert all(data is None or data.startswith(b"mine") for data in seen)
    assert (outside / "notes.data").read_bytes() == b"secret"
    assert [each.name for each in outside.iterdir()] == ["notes.data"]
    assert store.read(bob).data == b"of bob"


def test_files_and_folders_are_for_their_owner_alone(store):
    store.write(KEY, b"one")
    store.write(KEY, b"two")
    for path in store._folder.rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_processes_that_count_together_lose_nothing(tmp_path):
    count = COUNT or 25
    program = f"""
import sys
from pathlib import Path
from pegboard.testing.store_suite import file_key
from pegboard_storage_local import LocalStore
store = LocalStore(Path(sys.argv[1]), durable=False, deadline=60)
for _ in range({count}):
    store.update(file_key(), lambda entry: b"%d" % (1 + int(entry.data if entry else 0)))
"""
    folder = tmp_path / "files"
    writers = [subprocess.Popen([sys.executable, "-c", program, str(folder)]) for _ in range(4)]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    assert LocalStore(folder).read(KEY).data == b"%d" % (4 * count)
    assert not list(folder.rglob("*~new"))


@pytest.mark.parametrize("suffix", ["~new", "~previous"])
def test_what_is_left_without_its_file_goes_with_a_removal(store, suffix):
    store.write(KEY, b"one")
    file = store._folder / KEY.path
    left = file.with_name(file.name + suffix)
    file.rename(left)  # as a writer leaves it that dies in its first save, or a power cut
    assert store.read(KEY) is None
    assert not store.delete(KEY)
    assert list(file.parent.iterdir()) == []
    assert not store.delete(KEY)


def test_a_lock_ends_with_its_block_although_a_forked_process_has_its_file_open(store):
    with store._root.place("", make=True) as place:
        with Lock(place, "it~lock", timeout=0.1) as lock:
            copy = os.dup(lock._fd)  # what a fork does with all that is open
        try:
            with Lock(place, "it~lock", timeout=0.1):
                pass
        finally:
            os.close(copy)


def test_what_a_dead_writer_has_left_goes_with_the_next_write_and_is_never_written_to(store):
    outside = store._folder.parent / "outside"
    outside.write_bytes(b"precious")
    store.write(KEY, b"one")
    left = (store._folder / KEY.path).with_name("notes.data~new")
    for plant in (
        left.write_bytes,
        lambda _: left.hardlink_to(outside),
        lambda _: left.symlink_to(outside),
    ):
        plant(b"half")
        store.write(KEY, b"two")
        assert not left.exists()
        left.write_bytes(b"half")
        assert store.delete(KEY)
        assert not left.exists()
        assert outside.read_bytes() == b"precious"

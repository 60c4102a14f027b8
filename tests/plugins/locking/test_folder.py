"""The locks of a folder, beyond what every provider has to do."""

import errno
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from pegboard.errors import UnavailableError
from pegboard.testing.lock_suite import LockSuite
from pegboard_locking import LockedError, LockFolder
from pegboard_locking._record import SLOTS
from tests import fault
from tests.descriptors import descriptors


class TestLockFolder(LockSuite):
    @pytest.fixture
    def setup(self, tmp_path: Path) -> str:
        path = str(tmp_path / "locks")
        return f"from pegboard_locking import LockFolder\nprovider = LockFolder({path!r})\n"


@pytest.fixture
def folder(tmp_path: Path) -> LockFolder:
    return LockFolder(tmp_path / "locks")


def files(folder: LockFolder) -> list[Path]:
    return sorted(folder.path.iterdir())


def run(source: str, *arguments: str) -> str:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", source, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=50).stdout


def test_nothing_is_made_before_a_lock_is_taken(folder: LockFolder) -> None:
    assert folder.holders("a") == []
    assert folder.held() == {}
    assert folder.sweep() == 0
    assert not folder.path.exists()


def test_folder_and_files_belong_to_their_owner_alone(folder: LockFolder) -> None:
    with folder.lock("a"):
        assert folder.path.stat().st_mode & 0o777 == 0o700
        assert {each.stat().st_mode & 0o777 for each in files(folder)} == {0o600}


def test_all_locks_that_are_held_are_listed(folder: LockFolder) -> None:
    with folder.lock("first name"), folder.lock("größe", shared=True):
        assert set(folder.held()) == {"first name", "größe"}
        ((holder,),) = [folder.held()["größe"]]
        assert holder.pid == os.getpid()
        assert holder.shared
    assert folder.held() == {}


def test_the_error_tells_who_holds_it(folder: LockFolder) -> None:
    def enter() -> None:
        with pytest.raises(LockedError, match=f"process {os.getpid()} on .* UTC; gave up"):
            folder.lock("a", timeout=0).__enter__()

    with folder.lock("a"):
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()


def test_a_lock_on_a_file_that_was_removed_counts_for_nothing(folder: LockFolder) -> None:
    with folder.lock("a"):
        pass  # keeps the file open for the next time
    for path in files(folder):
        path.unlink()
    with folder.lock("a"):
        other = LockFolder(folder.path)
        with pytest.raises(LockedError):
            _in_thread(lambda: other.lock("a", timeout=0).__enter__())


def _in_thread(function) -> None:
    errors: list[LockedError] = []

    def call() -> None:
        try:
            function()
        except LockedError as error:
            errors.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    for error in errors:
        raise error


def test_sweeping_removes_what_nobody_has_had_for_a_while(folder: LockFolder) -> None:
    with folder.lock("held"):
        for name in ("a", "b"):
            with folder.lock(name):
                pass
        assert folder.sweep() == 0
        assert folder.sweep(older_than=-1) == 2
        assert len(files(folder)) == 2
        assert folder.is_locked("held")
    with folder.lock("a"):
        assert folder.is_locked("a")


def test_locks_that_are_swept_while_others_count_exclude_all_the_same(folder: LockFolder) -> None:
    number = 0
    done = threading.Event()

    def count() -> None:
        nonlocal number
        mine = LockFolder(folder.path)
        for _ in range(80):
            with mine.lock("a"):
                seen = number
                time.sleep(0)
                number = seen + 1

    def sweep() -> None:
        while not done.is_set():
            folder.sweep(older_than=-1)

    threads = [threading.Thread(target=count) for _ in range(3)]
    sweeper = threading.Thread(target=sweep)
    for each in (*threads, sweeper):
        each.start()
    for each in threads:
        each.join()
    done.set()
    sweeper.join()
    assert number == 240


def test_few_files_stay_open_however_many_locks_there_are(folder: LockFolder) -> None:
    before = descriptors()
    for number in range(300):
        with folder.lock(str(number)):
            pass
    assert len(descriptors() - before) <= 140
    folder.close()
    assert not descriptors() - before


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError, match="locks, locks, cannot be used"):
        LockFolder(tmp_path / "file" / "locks").lock("a").__enter__()


def test_a_child_that_was_forked_does_not_hold_the_locks_of_its_parent(tmp_path: Path) -> None:
    source = """
import os, sys
from pegboard_locking import LockFolder
folder = LockFolder(sys.argv[1])
ready, go = os.pipe(), os.pipe()
with folder.lock("a"):
    child = os.fork()
    if child == 0:
        os.write(ready[1], b"x")
        os.read(go[0], 1)          # the parent has given the lock back, the child lives
        with folder.lock("a", timeout=0):
            os._exit(7)
    os.read(ready[0], 1)
    print(len(folder.holders("a")))
with folder.lock("a", timeout=0):
    print("again")
os.write(go[1], b"x")
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert run(source, str(tmp_path)).split() == ["1", "again", "7"]


def test_leaving_the_block_in_a_forked_child_leaves_the_lock_with_the_parent(
    tmp_path: Path,
) -> None:
    source = """
import os, sys
from pegboard_locking import LockFolder
folder = LockFolder(sys.argv[1])
parent = os.getpid()
with folder.lock("a"):
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        print(folder.is_locked("a"), folder.holders("a")[0].pid == parent)
if os.getpid() != parent:
    os._exit(0)
print(folder.is_locked("a"))
"""
    assert run(source, str(tmp_path)).split() == ["True", "True", "False"]


@pytest.mark.anyio
async def test_tasks_of_one_process_get_their_turns_in_the_order_they_came(
    folder: LockFolder,
) -> None:
    order: list[int] = []

    async def take(number: int) -> None:
        async with folder.lock("a"):
            order.append(number)

    async with anyio.create_task_group() as group, folder.lock("a"):
        for number in range(10):
            group.start_soon(take, number)
            while len(folder._lines["a"].queue) <= number:
                await anyio.lowlevel.checkpoint()
    assert order == list(range(10))


@pytest.mark.anyio
async def test_many_that_wait_hold_no_worker_thread(folder: LockFolder) -> None:
    async def take() -> None:
        async with folder.lock("a"):
            pass

    async with anyio.create_task_group() as group, folder.lock("a"):
        for _ in range(200):
            group.start_soon(take)
        while len(folder._lines["a"].queue) < 200:
            await anyio.lowlevel.checkpoint()
        await to_thread.run_sync(lambda: None)  # there is a thread to have


def test_files_of_locks_do_not_pile_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pegboard_locking._folder.OLD", -1.0)
    monkeypatch.setattr("pegboard_locking._folder.TIDY", 8)
    folder = LockFolder(tmp_path)
    with folder.lock("held"):
        for number in range(800):
            with folder.lock(f"{number}"):
                pass
        assert len([*tmp_path.iterdir()]) < 1_000, "of 1,600"
        assert folder.is_locked("held")
    folder.close()


def test_more_holders_than_can_be_told_hold_the_lock_as_well(tmp_path: Path) -> None:
    folder = LockFolder(tmp_path)
    locks = [folder.lock("a", shared=True) for _ in range(SLOTS + 1)]
    with ExitStack() as stack:
        pools = [stack.enter_context(ThreadPoolExecutor(1)) for _ in locks]
        grants = [pool.submit(lock.hold).result() for pool, lock in zip(pools, locks, strict=True)]
        for grant in grants[:-1]:
            grant.release()
        assert folder.holders("a") == []
        assert folder.is_locked("a")
        grants[-1].release()
        assert not folder.is_locked("a")
    folder.close()


@pytest.mark.parametrize("call", ["open", "flock", "fcntl", "pwrite", "fstat"])
@pytest.mark.parametrize("is_known", [True, False])
def test_a_device_that_fails_is_named_and_nothing_stays_locked(
    folder: LockFolder, call: str, *, is_known: bool
) -> None:
    if is_known:
        with folder.lock("a"):
            pass
    if not (is_known and call == "open"):  # which is open still
        failing = fault.failing(call, 1, OSError(errno.EIO, "injected"))
        with pytest.raises(UnavailableError, match="cannot be used: injected"), failing:
            folder.lock("a").hold()
    assert not folder.is_locked("a")
    with folder.lock("a", timeout=0):
        assert folder.is_locked("a")

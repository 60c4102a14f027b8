import json
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pegboard.errors import InputError
from pegboard_locking import FileLockManager, LockedError, LockedFile, LockInfo

HOLD = """
import sys
from pegboard_locking import FileLockManager
with FileLockManager(sys.argv[1]).acquire_lock(sys.argv[2], sys.argv[3]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def locks(tmp_path: Path) -> FileLockManager:
    return FileLockManager(tmp_path / "locks")


def elsewhere(function):
    """Return what a function does in another thread."""
    done: list = []

    def call() -> None:
        try:
            done.append(function())
        except LockedError as error:
            done.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    return done[0]


def is_free(locks: FileLockManager, path: Path, kind: str = "exclusive") -> bool:
    def enter() -> bool:
        with locks.acquire_lock(path, kind, timeout=0):
            return True

    return elsewhere(enter) is True


def test_a_lock_tells_who_has_it(locks: FileLockManager, tmp_path: Path) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    with locks.acquire_lock(tmp_path / "a.txt", "exclusive", timeout=5.0) as info:
        assert isinstance(info, LockInfo)
        assert (info.pid, info.lock_type) == (os.getpid(), "exclusive")
        assert before < info.timestamp <= datetime.now(UTC)
        assert locks.is_locked(tmp_path / "a.txt")
        assert locks.get_lock_info(tmp_path / "a.txt") == info
    assert not locks.is_locked(tmp_path / "a.txt")
    assert locks.get_lock_info(tmp_path / "a.txt") is None


@pytest.mark.anyio
async def test_tasks_lock_files_too(locks: FileLockManager, tmp_path: Path) -> None:
    async with locks.acquire_lock(tmp_path / "a.txt", "write") as info:
        assert info.lock_type == "exclusive"
        assert not is_free(locks, tmp_path / "a.txt")
    assert is_free(locks, tmp_path / "a.txt")


@pytest.mark.parametrize("kind", ["shared", "read"])
def test_readers_read_together(locks: FileLockManager, tmp_path: Path, kind: str) -> None:
    with locks.acquire_lock(tmp_path / "a.txt", kind):
        assert is_free(locks, tmp_path / "a.txt", "read")
        assert not is_free(locks, tmp_path / "a.txt", "write")


def test_a_type_that_does_not_exist_is_refused(locks: FileLockManager, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'none'.*exclusive"):
        locks.acquire_lock(tmp_path / "a.txt", "none")


def test_nothing_is_left_beside_the_file_and_it_need_not_exist(
    locks: FileLockManager, tmp_path: Path
) -> None:
    folder = tmp_path / "users"
    folder.mkdir()
    with locks.acquire_lock(folder / "a.txt"):
        assert list(folder.iterdir()) == []
    assert list(folder.iterdir()) == []


def test_a_file_has_one_lock_however_its_path_is_spelled(
    locks: FileLockManager, tmp_path: Path, monkeypatch
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "real" / "alias.txt").symlink_to("a.txt")
    monkeypatch.chdir(tmp_path)
    with locks.acquire_lock(tmp_path / "real" / "a.txt"):
        for spelling in ("link/a.txt", "real/../link/./a.txt", "real/alias.txt"):
            assert locks.is_locked(spelling)
            assert not is_free(locks, Path(spelling))
        assert is_free(locks, tmp_path / "a.txt")


def test_the_error_names_the_file_without_its_folder(
    locks: FileLockManager, tmp_path: Path
) -> None:
    def enter() -> None:
        with locks.acquire_lock(tmp_path / "a.txt", timeout=0):
            raise AssertionError

    with locks.acquire_lock(tmp_path / "a.txt"):
        error = elsewhere(enter)
    assert isinstance(error, TimeoutError)
    assert "'a.txt' is held by process" in str(error)
    assert str(tmp_path) not in str(error)


def test_other_processes_are_seen_and_waited_for(locks: FileLockManager, tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    command = [sys.executable, "-c", HOLD, str(tmp_path / "locks"), str(path), "read"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        info = locks.get_lock_info(path)
        assert info is not None
        assert (info.pid, info.lock_type) == (process.pid, "shared")
        with pytest.raises(LockedError):
            locks.acquire_lock(path, timeout=0.01).__enter__()
        process.kill()
        with locks.acquire_lock(path, timeout=10):
            pass


def test_without_a_folder_all_programs_of_the_user_have_the_same_locks(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with FileLockManager().acquire_lock(path):
        seen = f"import pegboard_locking as l\nprint(l.FileLockManager().is_locked({str(path)!r}))"
        done = subprocess.run(
            [sys.executable, "-c", seen], capture_output=True, text=True, check=True, cwd="/"
        )
    assert done.stdout == "True\n"


# -- LockedFile --------------------------------------------------------------------------------


def test_a_locked_file_is_written_and_read(tmp_path: Path) -> None:
    path, folder = tmp_path / "a.json", tmp_path / "locks"
    with LockedFile(path, "w", folder=folder) as file:
        json.dump({"größe": 1}, file)
    with LockedFile(path, "r", folder=folder) as file:
        assert json.load(file) == {"größe": 1}
    with LockedFile(path, "a", folder=folder) as file:
        file.write("\n")
    with LockedFile(path, "rb", folder=folder) as file:
        assert file.read().endswith(b"}\n")
    with LockedFile(path, "wb", folder=folder) as file:
        file.write(b"\xff")
    assert path.read_bytes() == b"\xff"
    assert {each.name for each in tmp_path.iterdir()} == {"a.json", "locks"}


def test_the_old_content_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    path, folder = tmp_path / "a.txt", tmp_path / "locks"
    path.write_text("old")
    with LockedFile(path, "w", folder=folder) as file:
        file.write("new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_a_block_that_raises_leaves_the_old_content_and_no_lock(tmp_path: Path) -> None:
    path, folder = tmp_path / "a.txt", tmp_path / "locks"
    path.write_text("old")

    def write() -> None:
        with LockedFile(path, "w", folder=folder) as file:
            file.write("half")
            raise LookupError

    with pytest.raises(LookupError):
        write()
    assert path.read_text() == "old"
    assert not FileLockManager(folder).is_locked(path)


def test_readers_share_and_a_writer_is_alone(tmp_path: Path) -> None:
    path, folder = tmp_path / "a.txt", tmp_path / "locks"
    path.write_text("old")

    def read() -> str:
        with LockedFile(path, "r", timeout=0, folder=folder) as file:
            return file.read()

    with LockedFile(path, "r", folder=folder):
        assert elsewhere(read) == "old"
    with LockedFile(path, "r+", folder=folder):
        assert isinstance(elsewhere(read), LockedError)


def test_a_file_that_is_missing_leaves_no_lock(tmp_path: Path) -> None:
    path, folder = tmp_path / "a.txt", tmp_path / "locks"
    with pytest.raises(FileNotFoundError):
        LockedFile(path, "r", folder=folder).__enter__()
    assert not FileLockManager(folder).is_locked(path)


def test_a_mode_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'q'"):
        LockedFile(tmp_path / "a.txt", "q")

"""What the original of the file handling gets wrong: each test says what has to hold here."""

import subprocess
import sys
import threading

import anyio
import pytest

from pegboard_files import (
    AdvancedFileHandler,
    AtomicFileOperations,
    ChecksumCalculator,
    FileLockManager,
    JsonFileHandler,
    PathError,
)
from tests import fault

WRITER = """
import sys
from pegboard_files import AdvancedFileHandler
handler = AdvancedFileHandler(sys.argv[1])
for n in range(int(sys.argv[3])):
    handler.secure_write("x", f"{sys.argv[2]} {n}")
"""


@pytest.fixture
def handler(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = AdvancedFileHandler(tmp_path / "base")
    yield made
    made.close()


def entries(handler):
    return sorted(p.name for p in handler.base_path.iterdir() if not p.name.startswith(".v"))


def test_files_land_below_the_base_path_and_nowhere_else(handler, tmp_path):
    handler.secure_write("a.txt", "here")
    assert (tmp_path / "base" / "a.txt").read_text() == "here"
    assert not (tmp_path / "a.txt").exists()
    with pytest.raises(PathError):
        handler.secure_write("../a.txt", "there")
    with pytest.raises(PathError):
        handler.secure_read("../a.txt")


def test_the_first_write_creates_no_version(handler):
    assert handler.secure_write("x", "one")["version_created"] is False
    assert handler.list_file_versions("x") == []
    second = handler.secure_write("x", "two")
    assert (second["version_created"], second["version"]) == (True, 1)


def test_files_of_one_name_in_two_folders_share_nothing(handler):
    for folder in ("a", "b"):
        for n in range(2):
            handler.secure_write(f"{folder}/same.txt", f"{folder} {n}")
    for folder in ("a", "b"):
        (version,) = handler.list_file_versions(f"{folder}/same.txt")
        content = handler.version_manager.read_version(f"{folder}/same.txt", version.version)
        assert content == f"{folder} 0".encode()
    assert handler.list_file_versions("same.txt") == []


def test_equal_contents_are_kept_once(handler):
    content = "".join(chr(33 + n * n % 90) for n in range(20_000))
    for _ in range(5):
        handler.secure_write("x", content)
    assert len(handler.list_file_versions("x")) == 4
    statistics = handler._vault.history.archive.statistics()
    assert statistics.objects == 1


def test_four_processes_lose_no_version_and_mix_up_no_content(handler):
    command = [sys.executable, "-c", WRITER, str(handler.base_path)]
    processes = [subprocess.Popen([*command, str(n), "25"]) for n in range(4)]
    assert [process.wait() for process in processes] == [0] * 4
    versions = handler.list_file_versions("x")
    assert [each.version for each in versions] == list(range(1, 100))
    contents = {
        handler.version_manager.read_version("x", each.version).decode() for each in versions
    }
    contents.add((handler.base_path / "x").read_text())
    assert contents == {f"{process} {n}" for process in range(4) for n in range(25)}


def test_damaged_records_lose_no_history(handler):
    for n in range(4):
        handler.secure_write("x", f"{n}")
    handler.close()
    (handler.base_path / ".versions" / "index.db").write_bytes(b"damaged" * 1000)
    assert [each.version for each in handler.list_file_versions("x")] == [1, 2, 3]
    handler.secure_write("x", "4")
    contents = [handler.version_manager.read_version("x", n) for n in (1, 2, 3, 4)]
    assert contents == [b"0", b"1", b"2", b"3"]


def test_two_read_at_once_and_a_writer_waits(tmp_path):
    path = tmp_path / "x"
    locks = FileLockManager()
    is_held, may_end = threading.Event(), threading.Event()

    def hold():
        with locks.acquire_lock(path, "shared"):
            is_held.set()
            may_end.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    is_held.wait(20)
    with locks.acquire_lock(path, "shared", timeout=0) as info:
        assert info.lock_type == "shared"
    with pytest.raises(TimeoutError), locks.acquire_lock(path, "exclusive", timeout=0):
        """Nobody gets here."""
    may_end.set()
    thread.join()


def test_a_lock_is_seen_by_other_processes_and_under_other_spellings(tmp_path):
    program = (
        "import sys\n"
        "from pegboard_files import FileLockManager\n"
        "locks = FileLockManager()\n"
        "print(locks.is_locked(sys.argv[1]), locks.get_lock_info(sys.argv[1]).pid)\n"
    )
    (tmp_path / "a").mkdir()
    with FileLockManager().acquire_lock(tmp_path / "x") as info:
        other = subprocess.run(
            [sys.executable, "-c", program, f"{tmp_path}/a/../x"],
            capture_output=True,
            text=True,
            check=True,
        )
    assert other.stdout.split() == ["True", str(info.pid)]


def test_nothing_lies_beside_the_files(handler):
    handler.secure_write("x", "one")
    with pytest.raises(FileNotFoundError):
        handler.secure_read("nothing")
    assert [name for name in entries(handler) if name != ".backups"] == ["x"]
    assert [each["path"] for each in handler.create_backup(["."])["files"]] == ["x"]


def test_bytes_are_read_back_and_size_means_bytes(handler):
    handler.secure_write("x", b"\xff\x00")
    assert handler.secure_read("x", binary=True)["content"] == b"\xff\x00"
    written = handler.secure_write("y", "öäü")
    assert written["size"] == handler.secure_read("y")["size"] == 6


def test_verifying_nothing_is_refused(handler):
    handler.secure_write("x", "one")
    with pytest.raises(ValueError, match="expected_checksum"):
        handler.secure_read("x", verify_integrity=True)
    with pytest.raises(ValueError, match="expected_checksum"):
        JsonFileHandler(handler.base_path).read("x", verify_integrity=True)
    with pytest.raises(ValueError, match="checksum"):
        ChecksumCalculator.verify_integrity(handler.base_path / "x", "")


def test_mode_and_links_stay(handler):
    handler.secure_write("x", "one")
    path = handler.base_path / "x"
    assert path.stat().st_mode & 0o777 == 0o644
    path.chmod(0o664)
    (handler.base_path / "link").symlink_to("x")
    handler.secure_write("link", "two")
    assert (handler.base_path / "link").is_symlink()
    assert path.read_text() == "two"
    assert path.stat().st_mode & 0o777 == 0o664


def test_file_folder_and_version_are_synced(handler):
    handler.secure_write("x", "one")
    handler.secure_write("x", "two")
    calls = []
    with fault.watching(calls.append):
        handler.secure_write("x", "three")
    assert calls.count("fsync") == 3
    assert calls.index("fsync") < calls.index("replace")


@pytest.mark.anyio
async def test_concurrent_atomic_writes_all_succeed(tmp_path):
    path = tmp_path / "x"
    async with anyio.create_task_group() as group:
        for n in range(8):
            group.start_soon(AtomicFileOperations.atomic_write_async, path, str(n) * 100_000)
    assert len({*path.read_text()}) == 1
    assert [each.name for each in tmp_path.iterdir()] == ["x"]


@pytest.mark.anyio
async def test_batches_write_whole_and_one_after_the_other(handler):
    handler.secure_write("x", "0" * 100_000)
    torn = []
    is_over = threading.Event()

    def read():
        while not is_over.is_set():
            content = (handler.base_path / "x").read_text()
            torn.extend([content] if len({*content}) != 1 or len(content) != 100_000 else [])

    thread = threading.Thread(target=read)
    thread.start()
    writes = [
        {"type": "write", "path": "x", "content": str(n % 10) * 100_000, "create_version": False}
        for n in range(30)
    ]
    results = await handler.async_batch_operations(writes)
    is_over.set()
    thread.join()
    assert torn == []
    assert {each["status"] for each in results} == {"success"}
    assert (handler.base_path / "x").read_text()[0] == "9"


@pytest.mark.anyio
async def test_a_batch_that_reads_gives_the_content(handler):
    handler.secure_write("x", "content")
    (result,) = await handler.async_batch_operations([{"type": "read", "path": "x"}])
    assert result["content"] == "content"


def test_a_restore_waits_for_the_lock(handler, tmp_path):
    handler.secure_write("x", "one")
    handler.secure_write("x", "two")
    is_held, may_end = threading.Event(), threading.Event()

    def hold():
        with handler.lock_manager.acquire_lock(handler.base_path / "x"):
            is_held.set()
            may_end.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    is_held.wait(20)
    with pytest.raises(TimeoutError):
        AdvancedFileHandler(handler.base_path, lock_timeout=0).restore_file_version("x", 1)
    may_end.set()
    thread.join()
    assert (handler.base_path / "x").read_text() == "two"


def test_backups_keep_files_of_one_name_apart_and_come_back(handler, tmp_path):
    for folder in ("a", "b"):
        handler.secure_write(f"{folder}/same.txt", folder)
    handler.create_backup(["a", "b"], "both")
    handler.backup_manager.restore_backup("both", tmp_path / "back")
    for folder in ("a", "b"):
        assert (tmp_path / "back" / folder / "same.txt").read_text() == folder


def test_a_missing_source_and_a_taken_name_are_errors(handler):
    handler.secure_write("x", "one")
    with pytest.raises(FileNotFoundError, match="nothing"):
        handler.create_backup(["x", "nothing"])
    handler.create_backup(["x"], "b")
    with pytest.raises(FileExistsError, match="'b'"):
        handler.create_backup(["x"], "b")


@pytest.mark.anyio
async def test_the_documented_await_of_a_mapping_works(handler):
    result = await handler.secure_write("processed_0.json", {"a": 1}, create_version=True)
    assert result["size"] == (handler.base_path / "processed_0.json").stat().st_size

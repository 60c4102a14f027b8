"""Files of a folder: written whole, read back as they were, in batches, and nowhere else."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from pegboard_files import (
    AdvancedFileHandler,
    AtomicFileOperations,
    ChecksumCalculator,
    FileLockManager,
    FormatError,
    IntegrityError,
    JsonFileHandler,
    MissingError,
    OptionError,
    PathError,
)

ESCAPES = ["../x", "/etc/passwd", "a/../../x", "link/x", "out", ".versions/x", ".backups/x", "a\0b"]


@pytest.mark.parametrize("path", ESCAPES)
def test_a_path_that_leads_out_is_refused(
    handler: AdvancedFileHandler, base: Path, tmp_path: Path, path: str
) -> None:
    (base / "a").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "secret").write_text("secret")
    (base / "link").symlink_to(tmp_path / "elsewhere")
    (base / "out").symlink_to(tmp_path / "secret")
    manager = handler.version_manager
    for act in (
        lambda: handler.secure_write(path, "mine"),
        lambda: handler.secure_read(path),
        lambda: manager.create_version(path),
        lambda: manager.list_versions(path),
        lambda: manager.restore_version("a", 1, path),
        lambda: JsonFileHandler(base).write(path, {}),
    ):
        with pytest.raises(PathError):
            act()
    assert (tmp_path / "secret").read_text() == "secret"
    assert not [*(tmp_path / "elsewhere").iterdir()]
    assert isinstance(PathError("x"), PermissionError)


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha512", "blake2b", "blake3"])
def test_each_checksum_is_that_of_the_file(handler: AdvancedFileHandler, algorithm: str) -> None:
    written = handler.secure_write("x", b"content", algorithm=algorithm)
    path = handler.base_path / "x"
    assert ChecksumCalculator.calculate_checksum(path, algorithm, 3) == written["checksum"]
    assert ChecksumCalculator.verify_integrity(path, written["checksum"].upper(), algorithm)
    assert not ChecksumCalculator.verify_integrity(path, "0" * 64, algorithm)
    read = handler.secure_read("x", True, written["checksum"], algorithm)  # as users call it
    assert read["checksum"] == written["checksum"]


def test_what_no_checksum_can_be_made_of_is_said(handler: AdvancedFileHandler) -> None:
    with pytest.raises(OptionError, match="there are md5, sha1"):
        handler.secure_write("x", "", algorithm="crc32")
    with pytest.raises(ValueError, match="chunk_size"):
        ChecksumCalculator.calculate_checksum("x", chunk_size=0)
    with pytest.raises(FileNotFoundError):
        ChecksumCalculator.calculate_checksum(handler.base_path / "nothing")
    with pytest.raises(OptionError, match="nothing to compare"):
        handler.secure_read("x", verify_integrity=True)
    with pytest.raises(ValueError, match="should have"):
        ChecksumCalculator.verify_integrity("x", "")
    assert not (handler.base_path / "x").exists()


def test_a_file_is_written_as_it_says_or_not_at_all(base: Path) -> None:
    with AtomicFileOperations.atomic_write(base / "x") as file:
        file.write("zeile\nöä")
    assert (base / "x").read_bytes() == "zeile\nöä".encode()
    with AtomicFileOperations.atomic_write(base / "x", "wb") as file:
        file.write(b"\xff")
    assert (base / "x").read_bytes() == b"\xff"
    with pytest.raises(ZeroDivisionError), AtomicFileOperations.atomic_write(base / "x") as file:
        file.write(str(1 / 0))
    assert (base / "x").read_bytes() == b"\xff"
    with (
        pytest.raises(OptionError, match="'w' or 'wb'"),
        AtomicFileOperations.atomic_write(base / "x", "a"),
    ):
        """Appending is not replacing."""
    assert [path.name for path in base.iterdir()] == ["x"]


def test_what_a_killed_writer_left_goes_with_the_next_write(
    base: Path, locks: FileLockManager
) -> None:
    program = (
        "import os, signal, sys\n"
        "from pegboard_durable import Root\n"
        "with Root(sys.argv[1]).writing('a/x') as file:\n"
        "    os.utime(file.fileno(), (0, 0))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", program, base], check=False)
    (left,) = (base / "a").iterdir()
    assert left.name.startswith(".pegboard-")
    AdvancedFileHandler(base, lock_manager=locks).secure_write("a/y", "there")
    assert [path.name for path in (base / "a").iterdir()] == ["y"]


def test_values_and_text_are_written_and_what_is_no_text_is_said(
    handler: AdvancedFileHandler,
) -> None:
    handler.secure_write("x.json", {"a": [1, "ö"]})
    assert '"ö"' in handler.secure_read("x.json")["content"]
    handler.secure_write("x", b"\xff\x00")
    with pytest.raises(FormatError, match="binary=True"):
        handler.secure_read("x")
    assert handler.secure_read("x", binary=True)["content"] == b"\xff\x00"


def test_json_that_is_none_is_refused_and_said(handler: AdvancedFileHandler) -> None:
    files = JsonFileHandler(handler.base_path)
    for value in (object(), {"a": float("nan")}):
        with pytest.raises((TypeError, ValueError)):
            files.write("x.json", value)
    assert not (handler.base_path / "x.json").exists()
    (handler.base_path / "x.json").write_text("{half")
    with pytest.raises(FormatError, match=r"x\.json is no JSON.*an earlier version"):
        files.read("x.json")
    (handler.base_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(FormatError):
        files.read("deep.json")
    files.write("y.json", 1)
    with pytest.raises(IntegrityError):
        files.read("y.json", verify_integrity=True, expected_checksum="0" * 64)


def test_threads_that_write_one_file_lose_no_version(handler: AdvancedFileHandler) -> None:
    def work(seed: int) -> None:
        for n in range(10):
            handler.secure_write("x", f"{seed} {n}")

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    contents = {
        handler.version_manager.read_version("x", each.version)
        for each in handler.list_file_versions("x")
    }
    contents.add((handler.base_path / "x").read_bytes())
    assert contents == {f"{seed} {n}".encode() for seed in range(4) for n in range(10)}


@pytest.mark.anyio
async def test_a_batch_knows_a_file_by_every_spelling_of_its_path(
    handler: AdvancedFileHandler, base: Path
) -> None:
    (base / "link").symlink_to("a")
    spellings = ["a", base / "a", "link", "missing/../a"]
    writes = [
        {"type": "write", "path": spellings[number % 4], "content": str(number)}
        for number in range(12)
    ]
    await handler.async_batch_operations(writes)
    kept = [
        handler.version_manager.read_version("a", each.version)
        for each in handler.list_file_versions("a")
    ]
    assert kept == [str(number).encode() for number in range(11)]


@pytest.mark.anyio
async def test_a_batch_answers_in_order_and_contains_failures(
    handler: AdvancedFileHandler,
) -> None:
    handler.secure_write("a", "alpha")
    results = await handler.async_batch_operations(
        [
            {"type": "read", "path": "a"},
            {"type": "write", "path": "b", "content": "one"},
            {"type": "write", "path": "b", "content": "two"},
            {"type": "read", "path": "./b"},
            {"type": "checksum", "path": "b", "algorithm": "blake3"},
            {"type": "read", "path": "nothing"},
            {"type": "shred", "path": "a"},
            {"type": "read", "path": "../a"},
            {"type": "write", "path": "b"},
            {"type": "read"},
            {"type": "read", "path": "a", "binary": True},
        ]
    )
    assert [each["status"] for each in results] == ["success"] * 5 + ["error"] * 5 + ["success"]
    assert results[0] == {
        "path": "a", "status": "success", "content": "alpha", "content_length": 5,
    }  # fmt: skip
    assert results[3]["content"] == "two"
    assert "Unknown operation" in results[6]["error"]
    assert results[10]["content"] == b"alpha"
    assert [each.version for each in handler.list_file_versions("b")] == [1]


@pytest.mark.anyio
async def test_everything_can_be_awaited(handler: AdvancedFileHandler, base: Path) -> None:
    written = await handler.secure_write_async("x", "one")
    read = await handler.secure_read_async("x", True, written["checksum"])  # as users call it
    assert read["content"] == "one"
    files = JsonFileHandler(base)
    await files.write_async("x.json", {"a": 1})
    assert (await files.read_async("x.json"))["data"] == {"a": 1}
    await AtomicFileOperations.atomic_write_async(base / "y", "text")
    await AtomicFileOperations.atomic_write_async(base / "y", b"bytes", "wb")
    with pytest.raises(OptionError, match="does not fit str"):
        await AtomicFileOperations.atomic_write_async(base / "y", "text", "wb")
    assert await ChecksumCalculator.calculate_checksum_async(base / "y", "md5")
    plain = handler.async_handler
    assert await plain.read_file("y") == "bytes"
    assert await plain.copy_file("y", "z/y") == 5
    assert await plain.read_file("z/y", "rb") == b"bytes"
    assert await plain.write_file("z/y", "öä") == 4
    done = await plain.process_files_batch(["x", "y"], lambda path: (base / path).stat().st_size)
    assert [each["result"] for each in done] == [3, 5]
    (failed,) = await plain.process_files_batch(["x"], {}.__getitem__)
    assert failed["status"] == "error"


def test_a_lock_that_others_hold_is_waited_for_and_named(
    handler: AdvancedFileHandler, base: Path, locks: FileLockManager
) -> None:
    quick = AdvancedFileHandler(base, lock_manager=locks, lock_timeout=0)
    is_held, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        with locks.acquire_lock(base / "x", "shared"):
            is_held.set()
            may_end.wait(20)

    handler.secure_write("x", "one")
    thread = threading.Thread(target=hold)
    thread.start()
    is_held.wait(20)
    assert quick.secure_read("x")["content"] == "one"
    with pytest.raises(TimeoutError, match="held by process"):
        quick.secure_write("x", "two")
    may_end.set()
    thread.join()
    with pytest.raises(MissingError):
        quick.secure_read("y")


@pytest.mark.anyio
async def test_who_waits_for_a_file_takes_no_thread_from_others(
    handler: AdvancedFileHandler, base: Path, locks: FileLockManager
) -> None:
    async with anyio.create_task_group() as group, locks.acquire_lock(base / "x"):
        for number in range(20):
            group.start_soon(handler.secure_write_async, "x", str(number))
        await anyio.wait_all_tasks_blocked()
        assert to_thread.current_default_thread_limiter().borrowed_tokens == 0
    assert len(handler.list_file_versions("x")) == 19

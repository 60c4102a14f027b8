"""Versions: one history per path, each content once, checked, restored under locks."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest

from pegboard_files import (
    AdvancedFileHandler,
    DamagedError,
    FileLockManager,
    FileVersionManager,
    FormatError,
    MissingError,
    PathError,
)
from pegboard_files import _history as history_module


@pytest.fixture
def versions(handler: AdvancedFileHandler) -> FileVersionManager:
    return handler.version_manager


def test_a_version_is_what_the_file_held(base: Path, versions: FileVersionManager) -> None:
    (base / "a.txt").write_bytes(b"one")
    (base / "a.txt").chmod(0o640)
    made = versions.create_version("a.txt", author="Ada", comment="first")
    (base / "a.txt").write_bytes(b"two")
    versions.create_version("a.txt")
    assert (made.version, made.size, made.permissions) == (1, 3, "640")
    assert (made.filename, made.author, made.comment) == ("a.txt", "Ada", "first")
    assert [each.version for each in versions.list_versions("a.txt")] == [1, 2]
    assert versions.get_version("a.txt", 1) == made
    assert [versions.read_version("a.txt", n) for n in (1, 2)] == [b"one", b"two"]


def test_a_restored_file_keeps_what_it_held(base: Path, versions: FileVersionManager) -> None:
    (base / "a.txt").write_bytes(b"one")
    versions.create_version("a.txt")
    (base / "a.txt").write_bytes(b"two, which nobody kept")
    assert versions.restore_version("a.txt", 1).version == 1
    assert (base / "a.txt").read_bytes() == b"one"
    assert versions.read_version("a.txt", 2) == b"two, which nobody kept"
    (base / "a.txt").write_bytes(b"three")
    versions.create_version("a.txt")
    versions.restore_version("a.txt", 1)
    assert len(versions.list_versions("a.txt")) == 3  # three was there already


def test_a_version_can_be_put_elsewhere_below_the_base(
    base: Path, versions: FileVersionManager
) -> None:
    (base / "a.txt").write_bytes(b"one")
    versions.create_version("a.txt")
    (base / "a.txt").unlink()
    versions.restore_version("a.txt", 1, "b/c.txt")
    assert (base / "b" / "c.txt").read_bytes() == b"one"
    with pytest.raises(PathError):
        versions.restore_version("a.txt", 1, "../outside.txt")


def test_what_is_not_there_is_named(versions: FileVersionManager, base: Path) -> None:
    with pytest.raises(MissingError, match="no file nothing"):
        versions.create_version("nothing.txt")
    assert versions.list_versions("nothing.txt") == []
    with pytest.raises(MissingError, match="has no version 7"):
        versions.get_version("nothing.txt", 7)
    with pytest.raises(FileNotFoundError):
        versions.restore_version("nothing.txt", 7)
    assert not (base / "nothing.txt").exists()


def test_every_spelling_of_a_path_has_one_history(base: Path, versions: FileVersionManager) -> None:
    (base / "a").mkdir()
    (base / "a" / "x").write_bytes(b"1")
    (base / "link").symlink_to("a/x")
    for path in ("a/x", "./a//x", "a/../a/x", "link", base / "a" / "x"):
        versions.create_version(path)
    assert len(versions.list_versions("a/x")) == 5
    assert versions.tracked_files() == ["a/x"]


def test_versions_of_text_are_compared(base: Path, versions: FileVersionManager) -> None:
    for text in ("a\nb\nc\n", "a\nB\nc\n"):
        (base / "x").write_text(text)
        versions.create_version("x")
    (base / "x").write_text("a\nB\nc\nd\n")
    assert "-b\n+B\n" in versions.diff_versions("x", 1, 2)
    assert versions.diff_versions("x", 2).endswith(" c\n+d\n")
    (base / "x").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FormatError, match="not UTF-8 text"):
        versions.diff_versions("x", 1)


def test_a_list_can_be_read_from_its_end(base: Path, versions: FileVersionManager) -> None:
    (base / "x").write_bytes(b"1")
    for _ in range(7):
        versions.create_version("x")
    numbers = [each.version for each in versions.list_versions("x", limit=2)]
    assert numbers == [6, 7]
    numbers = [each.version for each in versions.list_versions("x", before=6, limit=3)]
    assert numbers == [3, 4, 5]


def test_a_large_file_is_kept_in_pieces_that_are_told_apart(
    base: Path, versions: FileVersionManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_module, "PIECE", 100_000)
    data = random.Random(1).randbytes(450_000)
    (base / "x").write_bytes(data)
    versions.create_version("x")
    changed = b"in front" + data[:200_000] + b"inside" + data[200_006:]
    (base / "x").write_bytes(changed)
    versions.create_version("x")
    versions.restore_version("x", 1, "first")
    versions.restore_version("x", 2, "second")
    assert (base / "first").read_bytes() == data
    assert (base / "second").read_bytes() == changed
    kept = sum(path.stat().st_size for path in (base / ".versions").glob("*.pack"))
    assert kept < 460_000


def test_an_empty_file_has_versions_too(base: Path, versions: FileVersionManager) -> None:
    (base / "x").touch()
    assert versions.create_version("x").size == 0
    assert versions.read_version("x", 1) == b""


def test_restoring_waits_for_the_lock(
    base: Path, handler: AdvancedFileHandler, locks: FileLockManager
) -> None:
    handler.secure_write("x", "one")
    handler.secure_write("x", "two")
    is_held, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        with locks.acquire_lock(base / "x", "exclusive"):
            is_held.set()
            may_end.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    is_held.wait(20)
    quick = AdvancedFileHandler(base, lock_manager=locks, lock_timeout=0)
    with pytest.raises(TimeoutError):
        quick.restore_file_version("x", 1)
    assert (base / "x").read_text() == "two"
    may_end.set()
    thread.join()
    handler.restore_file_version("x", 1)
    assert (base / "x").read_text() == "one"


def test_a_damaged_version_is_named_and_the_file_stays(
    base: Path, versions: FileVersionManager
) -> None:
    for seed in range(3):
        (base / "x").write_bytes(random.Random(seed).randbytes(1_000))
        versions.create_version("x")
    (pack,) = (base / ".versions").glob("*.pack")
    data = bytearray(pack.read_bytes())
    data[data.index(random.Random(1).randbytes(1_000)) + 500] ^= 8
    pack.write_bytes(data)
    present = (base / "x").read_bytes()
    with pytest.raises(DamagedError, match="version 2 of x cannot be restored"):
        versions.restore_version("x", 2)
    assert (base / "x").read_bytes() == present
    assert any("version 2 of x" in each for each in versions.verify())
    assert not any("version 1 of x" in each for each in versions.verify())
    versions.restore_version("x", 1)
    versions.rebuild_index()
    assert versions.read_version("x", 3) == present


def test_versions_are_removed_by_a_rule(base: Path, versions: FileVersionManager) -> None:
    for name in ("x", "y"):
        for n in range(6):
            (base / name).write_bytes(b"%s %d" % (name.encode(), n))
            versions.create_version(name)
    assert versions.prune("x", last=2) == [("x", n) for n in (1, 2, 3, 4)]
    assert [each.version for each in versions.list_versions("x")] == [5, 6]
    assert len(versions.list_versions("y")) == 6
    assert len(versions.prune(last=1)) == 6
    assert versions.read_version("y", 6) == b"y 5"
    assert versions.verify() == []


@pytest.mark.anyio
async def test_versions_are_kept_and_restored_in_threads(
    base: Path, versions: FileVersionManager
) -> None:
    (base / "x").write_bytes(b"1")
    assert (await versions.create_version_async("x")).version == 1
    (base / "x").write_bytes(b"2")
    await versions.restore_version_async("x", 1)
    assert (base / "x").read_bytes() == b"1"

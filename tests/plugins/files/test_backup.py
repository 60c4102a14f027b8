"""Backups: only what changed, verified, restored in whole or in part, encrypted on request."""

from __future__ import annotations

import errno
import os
import random
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import anyio
import pytest

from pegboard_files import (
    AdvancedFileHandler,
    BackupManager,
    ExistsError,
    FileLockManager,
    KeyMismatchError,
    MissingError,
    OptionError,
    PathError,
    Progress,
    WriteError,
)
from pegboard_files._vault import Vault
from tests import fault


def fill(base: Path) -> None:
    """Make a folder with what a backup may meet."""
    (base / "docs" / "deep" / "empty").mkdir(parents=True)
    (base / "docs" / "a.txt").write_text("alpha")
    (base / "docs" / "deep" / "same.txt").write_text("one")
    (base / "same.txt").write_text("another")
    (base / "big.bin").write_bytes(random.Random(1).randbytes(3_000_000))
    (base / "docs" / "link").symlink_to("a.txt")
    (base / "docs" / "away").symlink_to("/nonexistent/place")
    (base / "docs" / "a.txt").chmod(0o600)
    (base / "ünïcode 😀\n").write_text("name")
    os.utime(base / "same.txt", ns=(1_000_000_000_000_000_000, 1_000_000_000_000_000_000))


def tree(folder: Path) -> dict[str, object]:
    """Return all that is in a folder, but for what the handler keeps there."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name.startswith("."):
            continue
        if path.is_symlink():
            found[name] = str(path.readlink())
        elif path.is_file():
            stat = path.stat()
            found[name] = (path.read_bytes(), stat.st_mode, stat.st_mtime_ns)
        else:
            found[name] = path.stat().st_mode
    return found


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.pack"))


def test_what_was_backed_up_comes_back(base: Path, backups: BackupManager, tmp_path: Path) -> None:
    fill(base)
    made = backups.create_backup(["."], "first")
    assert len(made["files"]) == 5
    assert made["total_size"] == sum(each["size"] for each in made["files"])
    assert {each["backup_path"] for each in made["files"]} >= {"first/docs/deep/same.txt"}
    backups.restore_backup("first", tmp_path / "back")
    assert tree(tmp_path / "back") == tree(base)
    assert backups.verify_backups() == []


def test_a_second_backup_takes_what_changed(base: Path, backups: BackupManager) -> None:
    fill(base)
    first = backups.create_backup(["."])
    second = backups.create_backup(["."])
    assert second["name"] != first["name"]
    assert second["added_size"] < 5_000
    data = (base / "big.bin").read_bytes()
    (base / "big.bin").write_bytes(b"in front" + data[:2_000_000] + b"x" + data[2_000_000:])
    third = backups.create_backup(["."])
    assert 0 < third["added_size"] < 1_000_000
    assert [each["files"] for each in backups.list_backups()] == [5, 5, 5]


def test_a_change_within_one_tick_of_the_clock_is_not_missed(
    base: Path, backups: BackupManager, tmp_path: Path
) -> None:
    for n in range(5):
        (base / "x").write_bytes(b"%d" % n)
        backups.create_backup(["x"], str(n))
    for n in range(5):
        backups.restore_backup(str(n), tmp_path / str(n))
        assert (tmp_path / str(n) / "x").read_bytes() == b"%d" % n


def test_a_file_that_did_not_change_is_not_read_again(
    base: Path, backups: BackupManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pegboard_files._repository.CLOCK", -60.0)
    (base / "x").write_bytes(b"one")
    backups.create_backup(["x"], "one")
    (base / "y").write_bytes(b"two")
    told: list[str] = []
    with fault.watching(told.append):
        backups.create_backup(["x", "y"], "two")
    reads = told.count("BufferedReader.read")
    told.clear()
    with fault.watching(told.append):
        backups.create_backup(["x", "y"], "three")
    assert told.count("BufferedReader.read") < reads


def test_a_part_of_a_backup_comes_back(base: Path, backups: BackupManager, tmp_path: Path) -> None:
    fill(base)
    backups.create_backup(["docs", "big.bin"], "b")
    target = tmp_path / "back"
    done = backups.restore_backup("b", target, paths=["docs/deep", "./docs/a.txt"])
    assert done["restored"] == ["docs/a.txt", "docs/deep", "docs/deep/empty", "docs/deep/same.txt"]
    assert not (target / "big.bin").exists()
    with pytest.raises(MissingError, match=r"not in backup 'b': other\.txt, same\.txt"):
        backups.restore_backup("b", target, paths=["same.txt", "other.txt"])
    listed = {each["path"]: each["kind"] for each in backups.list_files("b")}
    assert listed["docs/link"] == "link"
    assert "same.txt" not in listed


def test_nothing_is_replaced_unless_that_is_said(base: Path, backups: BackupManager) -> None:
    fill(base)
    before = tree(base)
    backups.create_backup(["."], "b")
    (base / "same.txt").write_text("changed")
    (base / "docs" / "a.txt").unlink()
    with pytest.raises(ExistsError, match=r"1 files are there with another content: same\.txt"):
        backups.restore_backup("b")
    assert (base / "same.txt").read_text() == "changed"
    assert not (base / "docs" / "a.txt").exists()
    done = backups.restore_backup("b", overwrite=True)
    assert {"same.txt", "docs/a.txt"} <= {*done["restored"]}
    assert "big.bin" in done["unchanged"]
    assert {name: value for name, value in tree(base).items() if name in before} == before


def test_a_file_that_appears_during_a_restore_is_not_replaced(
    base: Path, backups: BackupManager
) -> None:
    fill(base)
    backups.create_backup(["docs", "same.txt"], "b")
    (base / "docs" / "a.txt").unlink()
    (base / "same.txt").unlink()

    def interfere(progress: Progress) -> None:
        if progress.path == "docs/a.txt":
            (base / "same.txt").write_text("of somebody else")

    with pytest.raises(ExistsError):
        backups.restore_backup("b", progress=interfere)
    assert (base / "same.txt").read_text() == "of somebody else"
    assert (base / "docs" / "a.txt").read_text() == "alpha"
    backups.restore_backup("b", overwrite=True)
    assert (base / "same.txt").read_text() == "another"


def test_a_file_that_cannot_have_its_owner_back_does_not_run_as_another_one(
    base: Path, backups: BackupManager, tmp_path: Path
) -> None:
    (base / "tool").write_text("#!/bin/sh")
    (base / "tool").chmod(0o4755)
    backups.create_backup(["tool"], "b")
    with fault.failing("fchown", 1, PermissionError(errno.EPERM, "injected")):
        backups.restore_backup("b", tmp_path / "back")
    assert (tmp_path / "back" / "tool").stat().st_mode & 0o7777 == 0o755


@pytest.mark.parametrize("is_there", [True, False])
def test_a_restore_waits_for_who_has_locked_a_file(
    base: Path, tmp_path: Path, locks: FileLockManager, *, is_there: bool
) -> None:
    fill(base)
    vault = Vault(base, lock_manager=locks, lock_timeout=0.05)
    backups = BackupManager(tmp_path / "backups", vault=vault)
    backups.create_backup(["same.txt"], "b")
    (base / "same.txt").unlink()
    if is_there:
        (base / "same.txt").write_text("changed")
    before = tree(base)
    lock = locks.acquire_lock(base / "same.txt")
    with ThreadPoolExecutor(1) as other:
        other.submit(lock.__enter__).result()
        with pytest.raises(TimeoutError):
            backups.restore_backup("b", overwrite=True)
        assert tree(base) == before
        other.submit(lock.__exit__, None, None, None).result()
    backups.restore_backup("b", overwrite=True)
    assert (base / "same.txt").read_text() == "another"
    backups.close()


def test_what_is_missing_is_named_and_no_backup_is_made(base: Path, backups: BackupManager) -> None:
    fill(base)
    with pytest.raises(MissingError, match=r"missing: nothing\.txt, no/thing"):
        backups.create_backup(["same.txt", "nothing.txt", "no/thing"])
    assert backups.list_backups() == []


def test_a_name_is_given_once_by_two_that_run_at_once(
    base: Path, backups: BackupManager, tmp_path: Path, locks: FileLockManager
) -> None:
    fill(base)
    other = BackupManager(tmp_path / "backups", base_path=base, lock_manager=locks)
    made = []

    def be_faster(_: Progress) -> None:
        if not made:
            made.append("other")
            other.create_backup(["same.txt"], "one name")

    with pytest.raises(ExistsError):
        backups.create_backup(["docs"], "one name", progress=be_faster)
    assert [each["files"] for each in backups.list_backups()] == [1]
    other.close()


def test_a_disk_that_is_full_for_a_moment_ends_the_backup(
    base: Path, backups: BackupManager
) -> None:
    for number in range(3):
        (base / f"{number}.bin").write_bytes(random.Random(number).randbytes(6_000_000))
        os.utime(base / f"{number}.bin", (1_000, 1_000))
    backups.list_backups()
    full = fault.failing("write", 1, OSError(errno.ENOSPC, "injected"))
    with pytest.raises(WriteError), full:
        backups.create_backup(["."], "b")
    assert backups.list_backups() == []
    assert backups.create_backup(["."], "b")["failed"] == []
    assert backups.verify_backups() == []


def test_what_lost_its_content_is_read_again_by_the_next_backup(
    base: Path, backups: BackupManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pegboard_files._repository.CLOCK", -60.0)
    (base / "a.bin").write_bytes(random.Random(1).randbytes(300_000))
    backups.create_backup(["."], "first")
    backups.close()
    (pack,) = (tmp_path / "backups").glob("*.pack")
    content = bytearray(pack.read_bytes())
    content[1_000] ^= 1
    pack.write_bytes(content)
    for path in (tmp_path / "backups").glob("index.db*"):
        path.unlink()
    assert backups.verify_backups("first") != []
    backups.create_backup(["."], "second")
    assert backups.verify_backups("second") == []


def test_a_folder_that_cannot_be_read_is_named_and_the_rest_is_backed_up(
    base: Path, backups: BackupManager
) -> None:
    fill(base)
    with ExitStack() as stack:  # deeper than paths go, which is where reading ends
        folder = os.open(base, os.O_RDONLY)
        for _ in range(300):
            os.mkdir("d", dir_fd=folder)
            below = os.open("d", os.O_RDONLY, dir_fd=folder)
            stack.callback(os.close, folder)
            folder = below
        stack.callback(os.close, folder)
    done = backups.create_backup(["."], "b")
    assert {"docs/a.txt", "big.bin"} <= {each["path"] for each in done["files"]}
    (failed,) = done["failed"]
    assert failed["path"].startswith("d/d/d/")
    shutil.rmtree(base / "d")


def test_a_name_is_given_once(base: Path, backups: BackupManager) -> None:
    fill(base)
    backups.create_backup(["same.txt"], "b")
    with pytest.raises(ExistsError, match="choose another name"):
        backups.create_backup(["docs"], "b")
    assert len(backups.list_files("b")) == 1
    for name in ("", "a/b", "a\0b"):
        with pytest.raises(OptionError):
            backups.create_backup(["docs"], name)
    with pytest.raises(MissingError, match="'c'"):
        backups.restore_backup("c")


@pytest.mark.parametrize("path", ["../outside", "/etc", "docs/away"])
def test_a_source_outside_is_refused(base: Path, backups: BackupManager, path: str) -> None:
    fill(base)
    with pytest.raises(PathError):
        backups.create_backup([path])


@pytest.mark.parametrize("is_old", [True, False])
def test_pipes_are_passed_over_and_unreadable_files_are_named(
    base: Path,
    backups: BackupManager,
    locks: FileLockManager,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_old: bool,
) -> None:
    fill(base)
    os.mkfifo(base / "pipe")
    backups._vault._timeout = 0  # not to wait in a test
    is_held, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        with locks.acquire_lock(base / "same.txt", "exclusive"):
            is_held.set()
            may_end.wait(20)

    if is_old:
        monkeypatch.setattr("pegboard_files._backup_run.CLOCK", -60.0)
    thread = threading.Thread(target=hold)
    thread.start()
    is_held.wait(20)
    made = backups.create_backup(["."], "b")
    may_end.set()
    thread.join()
    assert made["skipped"] == ["pipe"]
    assert [each["path"] for each in made["failed"]] == ["same.txt"]
    assert "held by process" in made["failed"][0]["error"]
    assert len(made["files"]) == 4
    assert backups.list_backups()[0]["failed"] == made["failed"]


def test_each_file_is_as_it_was_at_one_moment(
    base: Path, backups: BackupManager, tmp_path: Path
) -> None:
    stop = threading.Event()
    handler = AdvancedFileHandler(base, lock_manager=backups._vault.locks)  # the same locks
    handler.secure_write("x", b"a" * 600_000, create_version=False)

    def write() -> None:
        count = 0
        while not stop.is_set():
            count += 1
            handler.secure_write("x", b"%c" % (97 + count % 26) * 600_000, create_version=False)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for n in range(10):
            assert backups.create_backup(["x"], str(n))["failed"] == []
    finally:
        stop.set()
        thread.join()
    for n in range(10):
        backups.restore_backup(str(n), tmp_path / str(n))
        assert len({*(tmp_path / str(n) / "x").read_bytes()}) == 1


def test_damage_is_named_with_the_files_that_it_takes_along(
    base: Path, backups: BackupManager, tmp_path: Path
) -> None:
    for n in range(5):
        (base / f"{n}.bin").write_bytes(random.Random(n).randbytes(10_000))
    backups.create_backup(["."], "b")
    (pack,) = (tmp_path / "backups").glob("*.pack")
    data = bytearray(pack.read_bytes())
    data[data.index(random.Random(3).randbytes(10_000)) + 77] ^= 1
    pack.write_bytes(data)
    damages = backups.verify_backups()
    assert len(damages) == 2
    assert "bytes are damaged" in damages[0]
    assert "b/3.bin" in damages[1]
    done = backups.restore_backup("b", tmp_path / "back")
    assert [each["path"] for each in done["failed"]] == ["3.bin"]
    assert sorted(path.name for path in (tmp_path / "back").glob("*.bin")) == [
        "0.bin", "1.bin", "2.bin", "4.bin",
    ]  # fmt: skip
    assert backups.verify_backups("b") == damages[1:]


def test_a_truncated_pack_leaves_the_rest_readable(
    base: Path, backups: BackupManager, tmp_path: Path
) -> None:
    for n in range(5):
        (base / f"{n}.bin").write_bytes(random.Random(n).randbytes(10_000))
        backups.create_backup([f"{n}.bin"], str(n))
    (pack,) = (tmp_path / "backups").glob("*.pack")
    pack.write_bytes(pack.read_bytes()[:-15_000])
    assert [each["name"] for each in backups.list_backups()] == ["0", "1", "2"]
    for n in range(3):
        backups.restore_backup(str(n), tmp_path / "back")
    (base / "new").write_text("new")
    backups.create_backup(["new"], "new")
    backups.restore_backup("new", tmp_path / "back")


def test_old_backups_go_and_the_others_stay_whole(
    base: Path, backups: BackupManager, tmp_path: Path
) -> None:
    for n in range(6):
        (base / "x").write_bytes(random.Random(n).randbytes(200_000))
        (base / "y").write_bytes(random.Random(99).randbytes(100_000))
        backups.create_backup(["x", "y"], str(n))
    before = size_of(tmp_path / "backups")
    done = backups.prune(last=2)
    assert done["removed"] == ["0", "1", "2", "3"]
    assert before - size_of(tmp_path / "backups") > 700_000
    assert done["freed_size"] > 700_000
    assert backups.verify_backups() == []
    backups.restore_backup("5", tmp_path / "back")
    assert (tmp_path / "back" / "x").read_bytes() == (base / "x").read_bytes()
    assert backups.delete_backup("4") > 100_000
    assert [each["name"] for each in backups.list_backups()] == ["5"]


def test_an_encrypted_backup_shows_nothing_and_needs_its_password(
    base: Path, tmp_path: Path, locks: FileLockManager
) -> None:
    fill(base)
    (base / "secretname.txt").write_text("secret content " * 100)

    def manager(password: str | None) -> BackupManager:
        folder = tmp_path / "vault"
        return BackupManager(folder, base_path=base, password=password, lock_manager=locks)

    mine = manager("correct horse")
    mine.create_backup(["."], "hidden")
    mine.close()
    for path in (tmp_path / "vault").iterdir():
        assert not any(word in path.read_bytes() for word in (b"secret", b"hidden", b"docs"))
    for wrong in ("wrong", None):
        with pytest.raises(KeyMismatchError):
            manager(wrong).list_backups()
    again = manager("correct horse")
    again.restore_backup("hidden", tmp_path / "back")
    assert tree(tmp_path / "back") == tree(base)
    assert again.verify_backups() == []
    assert again.create_backup(["."], "second")["added_size"] < 3_000
    again.prune(last=1)
    assert again.verify_backups() == []
    plain = BackupManager(tmp_path / "plain", base_path=base)
    plain.create_backup(["docs"])
    with pytest.raises(KeyMismatchError, match="not encrypted"):
        BackupManager(tmp_path / "plain", base_path=base, password="x").list_backups()


def test_progress_is_told(base: Path, backups: BackupManager, tmp_path: Path) -> None:
    fill(base)
    told: list[Progress] = []
    backups.create_backup(["."], "b", progress=told.append)
    assert told[-1].size == told[-1].total_size == 3_000_000 + 5 + 3 + 7 + 4
    assert [each.size for each in told] == sorted(each.size for each in told)
    for act in (
        lambda: backups.verify_backups(progress=told.append),
        lambda: backups.restore_backup("b", tmp_path / "back", progress=told.append),
    ):
        told.clear()
        act()
        assert told[-1].size == told[-1].total_size == 3_000_019


@pytest.mark.anyio
async def test_a_cancelled_backup_is_none_and_the_next_one_goes_on(
    base: Path, backups: BackupManager, tmp_path: Path
) -> None:
    (base / "big.bin").write_bytes(random.Random(1).randbytes(12_000_000))
    with anyio.CancelScope() as scope:

        def stop(progress: Progress) -> None:
            if progress.size > 10_000_000:
                anyio.from_thread.run_sync(scope.cancel)

        await backups.create_backup_async(["big.bin"], "b", progress=stop)
    assert scope.cancelled_caught
    assert backups.list_backups() == []
    made = await backups.create_backup_async(["big.bin"], "b")
    assert made["added_size"] < 6_000_000
    await backups.restore_backup_async("b", tmp_path / "back")
    assert (tmp_path / "back" / "big.bin").read_bytes() == (base / "big.bin").read_bytes()

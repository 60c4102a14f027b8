"""Spec document 003: LockManager, FileRepository, FileService and LockedFile as it shows them.

Beside it stands what the original gets wrong (KNOWN_DEFECTS, C3); its race of several processes is
in tests/plugins/locking/test_race.py.
"""

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pegboard.errors import (
    AccessError,
    ConflictError,
    ForbiddenError,
    InputError,
    NotFoundError,
    PegboardError,
)
from pegboard_database import CorruptError
from pegboard_locking import FileRepository, FileService, LockedFile, LockManager


@pytest.fixture
def manager(tmp_path: Path):
    manager = LockManager(tmp_path / "locks.json")
    yield manager
    manager.close()


@pytest.fixture
def service(tmp_path: Path):
    service = FileService(tmp_path / "repo", tmp_path / "locks.json")
    yield service
    service.close()


# -- Section I: LockManager --------------------------------------------------------------------


def test_a_manager_makes_its_file_and_knows_no_locks(tmp_path: Path) -> None:
    manager = LockManager(tmp_path / "locks.json")
    assert manager.locks_file == tmp_path / "locks.json"
    assert manager.locks_file.exists()
    assert manager.load_locks() == {}
    manager.close()


def test_an_empty_file_holds_no_locks(tmp_path: Path) -> None:
    for name, content in (("empty", ""), ("braces", "{}")):
        (tmp_path / name).write_text(content)
        manager = LockManager(tmp_path / name)
        assert manager.load_locks() == {}
        manager.close()


def test_an_acquired_lock_is_told_with_user_timestamp_and_message(manager: LockManager) -> None:
    manager.acquire_lock("part.mcam", "ada", "drill the holes")
    assert manager.is_locked("part.mcam")
    info = manager.get_lock_info("part.mcam")
    assert info is not None
    assert set(info) == {"user", "timestamp", "message"}
    assert (info["user"], info["message"]) == ("ada", "drill the holes")
    age = datetime.now(UTC) - datetime.fromisoformat(info["timestamp"])
    assert timedelta() <= age < timedelta(minutes=1)
    assert manager.load_locks() == {"part.mcam": info}


def test_a_lock_that_is_taken_is_a_value_error_that_names_the_user(manager: LockManager) -> None:
    manager.acquire_lock("part.mcam", "ada", "m")
    with pytest.raises(ValueError, match="File already locked by ada"):
        manager.acquire_lock("part.mcam", "ben", "m")


def test_a_lock_is_released_by_its_owner_only(manager: LockManager) -> None:
    with pytest.raises(ValueError, match="File is not locked"):
        manager.release_lock("part.mcam", "ada")
    manager.acquire_lock("part.mcam", "ada", "m")
    with pytest.raises(ValueError, match="Lock owned by ada, not ben"):
        manager.release_lock("part.mcam", "ben")
    manager.release_lock("part.mcam", "ada")
    assert not manager.is_locked("part.mcam")
    assert manager.get_lock_info("part.mcam") is None


def test_locks_are_loaded_changed_and_saved(manager: LockManager) -> None:
    manager.acquire_lock("a.mcam", "ada", "m")
    locks = manager.load_locks()
    locks["b.mcam"] = {"user": "ben", "timestamp": locks["a.mcam"]["timestamp"], "message": "n"}
    manager.save_locks(locks)
    assert {name: each["user"] for name, each in manager.load_locks().items()} == {
        "a.mcam": "ada",
        "b.mcam": "ben",
    }


def test_locks_outlive_the_manager(manager: LockManager) -> None:
    manager.acquire_lock("part.mcam", "ada", "m")
    manager.close()
    again = LockManager(manager.locks_file)
    assert again.is_locked("part.mcam")
    again.close()


def test_a_locked_file_is_read_and_written_as_json(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    with LockedFile(path, "w") as file:
        json.dump({"a": 1}, file, indent=2)
    with LockedFile(path, "r") as file:
        content = file.read()
    assert json.loads(content) == {"a": 1}


# -- Section II: FileRepository ----------------------------------------------------------------


def test_a_repository_makes_its_folder_and_lists_files_by_extension(tmp_path: Path) -> None:
    repository = FileRepository(tmp_path / "deep" / "repo")
    assert repository.repo_path.is_dir()
    repository.write_file("PART.MCAM", b"123")
    repository.write_file("other.vnc", b"1")
    (tmp_path / "deep" / "repo" / "folder.mcam").mkdir()
    (found,) = repository.list_files()
    assert (found["name"], found["size_bytes"]) == ("PART.MCAM", 3)
    assert found["modified"] == (tmp_path / "deep" / "repo" / "PART.MCAM").stat().st_mtime
    assert [each["name"] for each in repository.list_files(".vnc")] == ["other.vnc"]


def test_files_are_found_read_and_written(tmp_path: Path) -> None:
    repository = FileRepository(tmp_path)
    assert not repository.file_exists("a.mcam")
    repository.write_file("a.mcam", b"content")
    assert repository.file_exists("a.mcam")
    assert repository.get_file_path("a.mcam") == tmp_path.resolve() / "a.mcam"
    assert repository.read_file("a.mcam") == b"content"


# -- Section III: FileService ------------------------------------------------------------------


def test_files_are_listed_with_their_status(service: FileService) -> None:
    service.repository.write_file("a.mcam", b"12")
    service.repository.write_file("b.mcam", b"1")
    service.checkout_file("b.mcam", "ada", "m")
    assert service.get_files_with_status() == [
        {"name": "a.mcam", "size_bytes": 2, "status": "available", "locked_by": None},
        {"name": "b.mcam", "size_bytes": 1, "status": "checked_out", "locked_by": "ada"},
    ]


def test_a_file_is_checked_out_and_in(service: FileService) -> None:
    service.repository.write_file("a.mcam", b"12")
    service.checkout_file("a.mcam", "ada", "m")
    with pytest.raises(ValueError, match="File already locked by ada"):
        service.checkout_file("a.mcam", "ben", "m")
    service.checkin_file("a.mcam", "ada")
    assert service.get_files_with_status()[0]["status"] == "available"
    service.checkout_file("a.mcam", "ben", "m")


def test_a_file_that_is_missing_is_a_value_error(service: FileService) -> None:
    with pytest.raises(ValueError, match=r"File not found: nothing\.mcam"):
        service.checkout_file("nothing.mcam", "ada", "m")
    assert service.lock_manager.load_locks() == {}


# -- what the original gets wrong --------------------------------------------------------------


def test_of_many_that_want_one_file_one_gets_it_and_is_remembered(tmp_path: Path) -> None:
    granted: list[str] = []

    def take(user: str) -> None:
        manager = LockManager(tmp_path / "locks.json")
        for number in range(20):
            try:
                manager.acquire_lock(f"{number}.mcam", user, "m")
            except ValueError:
                continue
            granted.append(f"{number}.mcam")
        manager.close()

    threads = [threading.Thread(target=take, args=(f"user {n}",)) for n in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    manager = LockManager(tmp_path / "locks.json")
    assert sorted(granted) == sorted(manager.load_locks())
    assert len(granted) == 20
    manager.close()


def test_a_damaged_file_does_not_mean_that_nothing_is_locked(tmp_path: Path) -> None:
    (tmp_path / "locks.json").write_text('{"a.mcam": {"user"')
    with pytest.raises(CorruptError):
        LockManager(tmp_path / "locks.json")


def test_a_lock_can_expire(tmp_path: Path) -> None:
    now = [0.0]
    manager = LockManager(tmp_path / "locks.json", lease=60, clock=lambda: now[0])
    manager.acquire_lock("a.mcam", "ada", "m")
    now[0] = 61
    manager.acquire_lock("a.mcam", "ben", "m")
    manager.close()


def test_who_may_ends_the_lock_of_somebody_else_and_it_is_written_down(tmp_path: Path) -> None:
    manager = LockManager(tmp_path / "locks.json", may_override={"admin"}.__contains__)
    manager.acquire_lock("a.mcam", "ada", "m")
    with pytest.raises(ForbiddenError):
        manager.break_lock("a.mcam", "ben", "mine")
    manager.break_lock("a.mcam", "admin", "ada has left")
    last = manager.audit("a.mcam")[-1]
    assert (last.action, last.who, last.owner, last.reason) == (
        "break",
        "admin",
        "ada",
        "ada has left",
    )
    manager.close()


def test_no_name_leads_out_of_the_repository(service: FileService, tmp_path: Path) -> None:
    (tmp_path / "secret.mcam").write_text("secret")
    with pytest.raises(InputError):
        service.checkout_file("../secret.mcam", "ada", "m")
    with pytest.raises(InputError):
        service.repository.read_file("../secret.mcam")


def test_a_check_in_is_a_version(service: FileService) -> None:
    service.repository.write_file("a.mcam", b"one")
    service.checkout_file("a.mcam", "ada", "m")
    service.repository.write_file("a.mcam", b"two")
    service.checkin_file("a.mcam", "ada")
    assert [service.read_file("a.mcam", n) for n in (1, 2)] == [b"one", b"two"]


def test_each_kind_of_failure_has_a_class_of_its_own(service: FileService) -> None:
    service.repository.write_file("a.mcam", b"one")

    def failure(function, *args) -> type[BaseException]:
        with pytest.raises(PegboardError) as caught:
            function(*args)
        return caught.type

    missing = failure(service.checkout_file, "b.mcam", "ada", "m")
    not_held = failure(service.checkin_file, "a.mcam", "ada")
    service.checkout_file("a.mcam", "ada", "m")
    held = failure(service.checkout_file, "a.mcam", "ben", "m")
    not_owner = failure(service.checkin_file, "a.mcam", "ben")
    assert len({missing, not_held, held, not_owner}) == 4
    assert issubclass(missing, NotFoundError)
    assert issubclass(not_held, ConflictError)
    assert issubclass(held, ConflictError)
    assert issubclass(not_owner, AccessError)
    assert all(issubclass(each, ValueError) for each in (missing, not_held, held, not_owner))

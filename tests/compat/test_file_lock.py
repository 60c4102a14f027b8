"""Spec document 001, FileLockManager, and what the original gets wrong about it (C2)."""

import threading
from pathlib import Path

import pytest

from pegboard_locking import FileLockManager


def from_another_thread(manager: FileLockManager, path: str, kind: str) -> bool:
    """Whether a lock is to be had from elsewhere at once."""
    granted: list[bool] = []

    def enter() -> None:
        try:
            with manager.acquire_lock(path, kind, timeout=0):
                granted.append(True)
        except TimeoutError:
            granted.append(False)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    return granted[0]


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FileLockManager:
    monkeypatch.chdir(tmp_path)
    return FileLockManager()


def test_a_file_is_locked_while_it_is_written(manager: FileLockManager) -> None:
    path = "sensitive_file.txt"
    with manager.acquire_lock(path, "exclusive", timeout=5.0) as lock_info:
        with Path(path).open("w") as file:
            file.write("secret")
        assert manager.is_locked(path)
        seen = manager.get_lock_info(path)
        assert seen is not None
        assert (
            f"{seen.pid} since {seen.timestamp}" == f"{lock_info.pid} since {lock_info.timestamp}"
        )
    assert not manager.is_locked(path)
    assert manager.get_lock_info(path) is None


def test_no_lock_file_is_left_beside_it(manager: FileLockManager, tmp_path: Path) -> None:
    with manager.acquire_lock("a.txt"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_readers_share(manager: FileLockManager) -> None:
    with manager.acquire_lock("a.txt", "read"):
        assert from_another_thread(manager, "a.txt", "shared")
        assert not from_another_thread(manager, "a.txt", "exclusive")


def test_another_manager_sees_it_under_another_spelling(
    manager: FileLockManager, tmp_path: Path
) -> None:
    with manager.acquire_lock("a.txt"):
        other = FileLockManager()
        assert other.is_locked(tmp_path / "a.txt")
        assert other.get_lock_info("./a.txt") is not None
        assert not from_another_thread(other, "./a.txt", "exclusive")

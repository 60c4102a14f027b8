"""A folder of files, and what looks after them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pegboard_files import AdvancedFileHandler, BackupManager, FileLockManager


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir()
    return folder


@pytest.fixture
def locks(tmp_path: Path) -> FileLockManager:
    return FileLockManager(tmp_path / "locks")


@pytest.fixture
def handler(base: Path, locks: FileLockManager) -> Iterator[AdvancedFileHandler]:
    made = AdvancedFileHandler(base, lock_manager=locks, lock_timeout=5)
    yield made
    made.close()


@pytest.fixture
def backups(base: Path, tmp_path: Path, locks: FileLockManager) -> Iterator[BackupManager]:
    made = BackupManager(tmp_path / "backups", base_path=base, lock_manager=locks)
    yield made
    made.close()

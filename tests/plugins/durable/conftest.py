"""A root to write below, and a place outside of it that nothing may reach."""

from pathlib import Path

import pytest

from pegboard_durable import Root


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path / "root")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_bytes(b"secret")
    return folder

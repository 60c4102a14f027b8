"""Several processes on one service lose nothing, whatever becomes of one of them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from pegboard import App, entered
from pegboard_database import Database
from pegboard_storage import FileHandlerV2
from pegboard_storage_cloud._outbox import OUTBOX, Outbox
from pegboard_storage_cloud._services import outbox_path
from tests.backend import Backend

ROOT = Path(__file__).parents[3]
PROCESSES = 4
INCREMENTS = int(os.environ.get("PEGBOARD_TEST_INCREMENTS", "8"))
"""What each process counts; 500 for the full run."""


@pytest.fixture(params=["s3", "redis"])
def cloud(request: pytest.FixtureRequest) -> Backend:
    return request.getfixturevalue(f"{request.param}_backend")


def start(folder: Path, backend: Backend, times: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.plugins.storage_cloud.counter", str(folder)]
    return subprocess.Popen(
        [*command, json.dumps(backend.settings), str(times)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def release(process: subprocess.Popen[str]) -> None:
    """Let a process begin to count once it is ready."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.mark.timeout(600)
def test_processes_that_count_together_lose_nothing(cloud: Backend, tmp_path: Path) -> None:
    folders = [tmp_path / f"machine{number % 2}" for number in range(PROCESSES)]
    for folder in folders:
        folder.mkdir(exist_ok=True)
    processes = [start(folder, cloud, INCREMENTS) for folder in folders]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        release(process)
    for process in processes:
        process.communicate()
        assert process.returncode == 0
    for folder in set(folders):
        with Database(outbox_path(folder / ".pegboard"), OUTBOX) as database:
            assert Outbox(database, "", limit=0).items(all_targets=True) == []
    assert anyio.run(content, tmp_path, cloud.settings) == {"n": PROCESSES * INCREMENTS}


async def content(project: Path, config: dict[str, Any]) -> dict[str, Any]:
    plugins = ["storage", "storage_local", "storage_cloud"]
    async with App("reader", project=project, plugins=plugins, mods=[], config=config) as app:
        with entered(app):
            return (await FileHandlerV2("shared.data", name="M").aload()).to_dict()

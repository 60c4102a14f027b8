"""A process that is killed while its service is away has lost nothing that it had acknowledged."""

import os
import subprocess
import sys
import threading
from pathlib import Path

from pegboard.contracts.storage import FileKey
from tests.plugins.storage_cloud.conftest import away_store
from tests.servers.redis import RedisServer

ROOT = Path(__file__).parents[3]
ROUNDS = int(os.environ.get("PEGBOARD_TEST_KILLS", "2"))
"""How often it is killed; 50 for the full run."""


def killed_after(count: int, folder: Path, port: int) -> list[list[str]]:
    """Let a process write until it has said so many lines, kill it, and return all that it said."""
    command = [sys.executable, "-m", "tests.plugins.storage_cloud.writer", str(folder), str(port)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(count)]
    process.kill()
    lines += process.stdout.readlines()
    process.stdout.close()
    process.wait()
    return [line.split() for line in lines if line.endswith("\n")]


def test_no_acknowledged_write_is_lost_with_its_process(tmp_path: Path) -> None:
    for number in range(ROUNDS):
        server = RedisServer(tmp_path / f"redis{number}")
        folder = tmp_path / f"here{number}"
        acknowledged = dict(killed_after(5 + 7 * number, folder, server.port))
        with server:
            store = away_store(folder, server.port)
            pause = threading.Event()
            while not store.send_waiting():
                pause.wait(0.05)
            for name, last in acknowledged.items():
                entry = store.read(FileKey(scope="mod_data", owner="", mod="notes", name=name))
                assert entry is not None
                assert int(entry.data) in {int(last), int(last) + 3}  # one more may be durable

"""Sessions over several processes: two workers, a restart, and `pegboard users` beside them."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

PASSWORD = "correct horse battery"

MOD = """
import os
from pegboard import get_app

export = get_app("probe").tb

@export(mod_name="probe", api=True, level=1)
async def process():
    return os.getpid()
"""

MANIFEST = """
[plugins.auth]
argon2_memory = 64
argon2_time = 1
"""

PEGBOARD = (sys.executable, "-m", "pegboard")
TIMEOUT = 40

CLIENT = httpx2.Client(timeout=TIMEOUT)
"""Sends no cookies of its own: each request says what it shows."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "mods").mkdir()
    (tmp_path / "mods" / "probe.py").write_text(MOD)
    (tmp_path / "pegboard.toml").write_text(MANIFEST)
    return tmp_path


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PEGBOARD_")}
    return {**kept, "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}


@contextmanager
def served(project: Path, port: int) -> Iterator[Path]:
    """Serve with two workers until the block ends; yields the file with what they print."""
    log = project / f"log-{time.monotonic_ns()}"
    with log.open("wb") as output:
        arguments = ("serve", "--workers", "2", "--port", str(port), "--server", "uvicorn")
        process = subprocess.Popen(
            [*PEGBOARD, *arguments], cwd=project, env=environment(), stdout=output, stderr=output
        )
        try:
            wait_for(lambda: "2 workers are ready" in log.read_text() or process.poll() is not None)
            assert process.poll() is None, log.read_text()
            yield log
        finally:
            process.terminate()
            process.wait(TIMEOUT)


def wait_for(condition) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)  # other processes announce nothing else


def users(project: Path, *arguments: str) -> str:
    done = subprocess.run(
        [*PEGBOARD, "users", *arguments],
        cwd=project,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=TIMEOUT,
    )
    return done.stdout


def ask(address: str, cookies: dict[str, str]) -> httpx2.Response:
    """Ask over a connection of its own, so that either worker may answer."""
    headers = {"connection": "close", "cookie": "; ".join(map("=".join, cookies.items()))}
    return CLIENT.get(f"{address}/api/probe/process", headers=headers)


def answering(address: str, cookies: dict[str, str]) -> set[int]:
    """Return the processes that know a session, once both have answered."""
    found: set[int] = set()

    def both() -> bool:
        response = ask(address, cookies)
        assert response.status_code == 200, response.text
        found.add(response.json()["result"]["data"])
        return len(found) == 2

    wait_for(both)
    return found


@pytest.mark.timeout(180)  # it starts six processes
def test_two_workers_and_a_restart_keep_a_session_until_the_command_line_ends_it(
    project: Path, unused_port: int
) -> None:
    address = f"http://127.0.0.1:{unused_port}"
    with served(project, unused_port) as log:
        wait_for(lambda: "no administrator yet" in log.read_text())
        where, _, code = users(project, "add", "ada", "--level", "10").strip().partition("#")
        assert where.endswith("/auth/link")
        assert "#pbl_" not in log.read_text(), "a link is for a terminal"
        fields = {"code": code, "password": PASSWORD}
        made = CLIENT.post(f"{address}/auth/link", json=fields)
        assert made.status_code == 200, made.text
        cookies = dict(made.cookies)
        CLIENT.cookies.clear()
        before = answering(address, cookies)
    assert "ada\t10\tactive" in users(project, "list")
    link = users(project, "add", "root", "--level", "10").strip()
    with served(project, unused_port) as log:
        assert answering(address, cookies).isdisjoint(before)
        assert "no administrator yet" not in log.read_text()
        code = link.partition("#")[2]
        fields = {"code": code, "password": PASSWORD}
        assert CLIENT.post(f"{address}/auth/link", json=fields).status_code == 200
        CLIENT.cookies.clear()
        users(project, "disable", "ada")
        began = known = time.monotonic()
        refused = 0
        while refused < 20:  # in a row: both workers are among those who answer
            asked = time.monotonic()
            assert asked < began + TIMEOUT
            if ask(address, cookies).status_code == 401:
                refused += 1
            else:
                refused, known = 0, asked
        print(f"last let in {known - began:.2f} s after the command had ended")
        users(project, "disable", "ada", "--undo")
        assert ask(address, cookies).status_code == 401, "what was ended stays so"


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]

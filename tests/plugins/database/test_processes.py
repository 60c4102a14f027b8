"""Several processes on one file, some of them killed."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pegboard_database import BusyError, Database, Schema

WORKER = Path(__file__).with_name("worker.py")
KILLS = int(os.environ.get("PEGBOARD_KILLS", "4"))


@contextmanager
def worker(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(WORKER), *map(str, arguments)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_processes_that_count_together_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with worker("count", path, "100") as first, worker("count", path, "100") as second:
        for each in (first, second):
            each.communicate(timeout=50)
            assert each.returncode == 0
    with Database(path) as database:
        assert database.read(lambda s: s.value("select n from counter")) == 200


def test_what_was_acknowledged_outlives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    acknowledged = 0
    for _ in range(KILLS):
        with worker("acknowledge", path) as process:
            assert process.stdout is not None
            for _ in range(20):
                acknowledged = int(process.stdout.readline())
            process.send_signal(signal.SIGKILL)
            acknowledged = max([acknowledged, *map(int, process.stdout.read().split())])
        with Database(path) as database:
            n = database.read(lambda s: s.value("select n from counter"))
            assert acknowledged <= n <= acknowledged + 1
            assert database.check() == []


def test_a_lock_that_another_process_holds_is_an_error_in_time(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with worker("hold", path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with Database(path, wait=0.2) as database:
            with pytest.raises(BusyError, match=r"a\.db is locked by another process"):
                database.write(lambda _: None)
            assert database.read(lambda s: s.value("select n from counter")) == 0
            process.communicate(timeout=50)
            database.write(lambda _: None)


def test_of_many_that_open_a_new_file_one_makes_the_tables(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    with worker("count", path, "1") as a, worker("count", path, "1") as b:
        for each in (a, b):
            each.communicate(timeout=50)
            assert each.returncode == 0
    with Database(path) as database:
        assert database.read(lambda s: s.all("select n from counter")) == [(2,)]


def test_a_migration_that_is_killed_leaves_the_old_tables(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    script = (
        "import os, signal, sys\n"
        "from pegboard_database import Database, Schema\n"
        "def die(tx):\n"
        "    tx.execute('create table half (n)')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "Database(sys.argv[1], Schema('a', ['create table a (n)', die]))\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    with Database(path, Schema("a", ["create table a (n)"])) as database:
        tables = database.read(lambda s: s.all("select name from sqlite_schema order by name"))
    assert tables == [("a",), ("pegboard_schema",)]


def test_a_forked_child_writes_through_connections_of_its_own(tmp_path: Path) -> None:
    with worker("fork", tmp_path / "a.db") as process:
        printed, _ = process.communicate(timeout=50)
    assert printed == "0 3\n[]\n"

"""Check-outs among several processes, some of them stopped or killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pegboard_locking import CheckedOutError, FileService, LockManager

PROGRAM = Path(__file__).with_name("race.py")
ROUNDS = int(os.environ.get("PEGBOARD_RACES", "2"))
FILES = int(os.environ.get("PEGBOARD_RACE_FILES", "20"))
PROCESSES = int(os.environ.get("PEGBOARD_RACE_PROCESSES", "3"))
KILLS = int(os.environ.get("PEGBOARD_KILLS", "2"))


@contextmanager
def program(*arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, str(PROGRAM), *map(str, arguments)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def tell(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def hear(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_of_many_processes_one_gets_each_file_and_none_is_forgotten(tmp_path: Path) -> None:
    manager = LockManager(tmp_path / "locks")
    with ExitStack() as stack:
        racers = [
            stack.enter_context(program("race", tmp_path, f"user {number}", str(FILES)))
            for number in range(PROCESSES)
        ]
        for _ in range(ROUNDS):
            for racer in racers:
                tell(racer)
            granted: dict[str, str] = {}
            for number, racer in enumerate(racers):
                for file in hear(racer).split():
                    assert f"file {file}" not in granted
                    granted[f"file {file}"] = f"user {number}"
            kept = {name: each["user"] for name, each in manager.load_locks().items()}
            assert kept == granted
            assert len(kept) == FILES
            manager.save_locks({})
    manager.close()


def test_who_was_stopped_past_the_lease_cannot_check_in(tmp_path: Path) -> None:
    service = FileService(tmp_path / "repo", tmp_path / "locks")
    service.add_file("a.txt", "ada", b"one")
    with program("late", tmp_path) as sleeper:
        assert hear(sleeper) == "1"
        sleeper.send_signal(signal.SIGSTOP)
        held = None
        while held is None:  # until the lease is over
            try:
                held = service.checkout_file("a.txt", "ben")
            except CheckedOutError:
                time.sleep(0)
        service.checkin_file("a.txt", "ben", b"two", token=held.token)
        tell(sleeper)
        sleeper.send_signal(signal.SIGCONT)
        assert hear(sleeper).startswith("StaleCheckoutError")
    assert service.read_file("a.txt") == b"two"
    assert [each.author for each in service.history("a.txt")] == ["ben", "ada"]
    service.close()


def test_who_was_stopped_past_the_lease_cannot_check_in_if_nobody_came_either(
    tmp_path: Path,
) -> None:
    service = FileService(tmp_path / "repo", tmp_path / "locks")
    service.add_file("a.txt", "ada", b"one")
    with program("late", tmp_path) as sleeper:
        hear(sleeper)
        sleeper.send_signal(signal.SIGSTOP)
        while service.lock_manager.is_locked("a.txt"):
            time.sleep(0)
        tell(sleeper)
        sleeper.send_signal(signal.SIGCONT)
        assert hear(sleeper).startswith("StaleCheckoutError")
    assert service.read_file("a.txt") == b"one"
    service.close()


def test_what_was_checked_in_outlives_a_kill_and_the_file_is_free_in_time(tmp_path: Path) -> None:
    service = FileService(tmp_path / "repo", tmp_path / "locks")
    service.add_file("a.txt", "ada", b"0")
    acknowledged = 1
    for _ in range(KILLS):
        with program("for-ever", tmp_path) as writer:
            for _ in range(5):
                acknowledged = int(hear(writer))
            writer.send_signal(signal.SIGKILL)
            assert writer.stdout is not None
            acknowledged = max([acknowledged, *map(int, writer.stdout.read().split())])
        (newest,) = service.history("a.txt", limit=1)
        assert acknowledged <= newest.number <= acknowledged + 1
        assert service.read_file("a.txt") == service.read_file("a.txt", newest.number)
        while service.lock_manager.is_locked("a.txt"):
            time.sleep(0)
        acknowledged = newest.number
    assert [each.number for each in service.history("a.txt", limit=1000)] == list(
        range(acknowledged, 0, -1)
    )
    service.close()

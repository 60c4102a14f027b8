"""The end of another process is heard at once, and how it came is known."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest

from pegboard_jobs._exit_status import described, signal_in, status_in_stat
from pegboard_jobs._exit_watch import ExitWatch

LONG = 60.0


@pytest.fixture
def watch() -> Iterator[ExitWatch]:
    opened = ExitWatch()
    yield opened
    opened.close()


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def waited(watch: ExitWatch) -> bool:
    """Whether the wait ended long before its time."""
    since = time.monotonic()
    watch.wait(LONG)
    return time.monotonic() - since < LONG / 2


def test_a_killed_process_ends_the_wait_and_its_signal_is_known_before_and_after_it_is_reaped(
    watch: ExitWatch, child: subprocess.Popen[bytes]
) -> None:
    watch.look_at({child.pid})
    assert watch.status(child.pid) is None
    child.kill()
    assert waited(watch)
    assert signal_in(watch.status(child.pid)) == "SIGKILL"
    child.wait()
    assert signal_in(watch.status(child.pid)) == "SIGKILL"


def test_a_crash_in_native_code_is_named(watch: ExitWatch, child: subprocess.Popen[bytes]) -> None:
    watch.look_at({child.pid})
    child.send_signal(signal.SIGSEGV)
    assert waited(watch)
    assert described(watch.status(child.pid)) == "was ended by SIGSEGV"


def test_an_end_is_heard_once(watch: ExitWatch, child: subprocess.Popen[bytes]) -> None:
    watch.look_at({child.pid})
    child.kill()
    assert waited(watch)
    since = time.monotonic()
    watch.wait(0.05)
    assert time.monotonic() - since >= 0.04


def test_a_process_that_is_gone_or_not_watched_any_more_is_not_heard(
    watch: ExitWatch, child: subprocess.Popen[bytes]
) -> None:
    watch.look_at({child.pid, 2**22 + 1})
    watch.look_at(set())
    child.kill()
    since = time.monotonic()
    watch.wait(0.05)
    assert time.monotonic() - since >= 0.04
    assert watch.status(child.pid) is None


def test_another_thread_ends_the_wait(watch: ExitWatch) -> None:
    thread = Thread(target=watch.wake)
    thread.start()
    assert waited(watch)
    thread.join()


def test_a_wake_that_nobody_waits_for_ends_the_next_wait_and_never_blocks(
    watch: ExitWatch,
) -> None:
    for _ in range(100_000):
        watch.wake()
    assert waited(watch)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (None, "ended without a word"),
        (9, "was ended by SIGKILL"),
        (11 | 0x80, "was ended by SIGSEGV"),
        (100, "was ended by signal 100"),
        (3 << 8, "ended without a word and with exit status 3"),
    ],
)
def test_ends_are_described(status: int | None, text: str) -> None:
    assert described(status) == text


def test_a_line_of_stat_is_read_whatever_the_program_is_called() -> None:
    tail = " ".join(["1"] * 48)
    assert status_in_stat(f"7 (a ) R b) Z {tail} 139\n") == 139
    assert status_in_stat(f"7 (python) R {tail} 0\n") is None
    assert status_in_stat("") is None
    assert status_in_stat(Path(f"/proc/{os.getpid()}/stat").read_text()) is None

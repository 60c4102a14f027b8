"""Faults at a chosen call to the system: an error in this process, a kill in another one.

Python tells a profile function about each call of a built-in function before it happens. What that
function raises takes the place of the call.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import BuiltinFunctionType, FrameType
from typing import Any, Protocol

from scripts.environment import ROOT

OF_THE_SYSTEM = frozenset({"_io", "apsw", "fcntl", "posix"})
"""Modules whose functions and methods reach the file system."""


def name_of(function: Any) -> str | None:
    """Return `fsync` for `os.fsync`, `BufferedWriter.flush` for that; None for what is pure."""
    owner = type(getattr(function, "__self__", None))
    if owner.__module__ in OF_THE_SYSTEM:
        return f"{owner.__name__}.{function.__name__}"
    if isinstance(function, BuiltinFunctionType) and function.__module__ in OF_THE_SYSTEM:
        return function.__name__
    return None


@contextmanager
def watching(see: Callable[[str], None]) -> Iterator[None]:
    """Call `see` before each call to the system that this thread makes in the block."""

    def profile(frame: FrameType, event: str, function: Any) -> None:
        if event == "c_call" and (name := name_of(function)):
            see(name)

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(before)


@contextmanager
def failing(name: str, number: int, error: OSError) -> Iterator[None]:
    """Let one call, counted among those of its name from 1, fail."""
    count = 0

    def see(called: str) -> None:
        nonlocal count
        count += called == name
        if called == name and count == number:
            raise error

    with watching(see):
        yield
    assert count >= number, f"{name} was called {count} times only"


@contextmanager
def dying(number: int) -> Iterator[None]:
    """Kill this process before a call to the system, counted from 1; say how many there were."""
    count = 0

    def see(called: str) -> None:
        nonlocal count
        count += 1
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)

    with watching(see):
        yield
    print("survived", flush=True)


class Run(Protocol):
    """Runs a program that has `with dying(int(sys.argv[1])):` around what it does."""

    def __call__(self, *arguments: object, number: int) -> tuple[bool, str]:
        """Return whether it came to its end, and what it printed."""
        ...


@contextmanager
def victim(program: str) -> Iterator[Run]:
    """Yield what runs a program in a process of its own, again and again."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-m", "tests.victim", program],
        stdin=pipe,
        stdout=pipe,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *_given_path()])},
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        sending, answers = process.stdin, process.stdout

        def run(*arguments: object, number: int) -> tuple[bool, str]:
            sending.write(json.dumps([str(number), *map(str, arguments)]) + "\n")
            sending.flush()
            status, said = json.loads(answers.readline())
            assert status in {0, -signal.SIGKILL}, said
            return status == 0, said

        yield run


def _given_path() -> list[str]:
    given = os.environ.get("PYTHONPATH")
    return [given] if given else []

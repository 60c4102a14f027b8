"""A measured process: started on one core, spoken to by lines, its cost read, always ended."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from types import TracebackType
from typing import Self

TICK = 1 / os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 0.01
"""Seconds per unit of processor time in ``/proc``."""

ANSWER_SECONDS = 60.0
"""How long a child may take over one answer."""

STOP_SECONDS = 3.0
"""How long a child may take to end before it is killed."""

_END = "\0"
"""Stands for the end of a child's output: no line of text holds it."""


def cores() -> tuple[int, int]:
    """Return the core for what is measured and the core for what drives it."""
    if not hasattr(os, "sched_getaffinity"):
        return (0, 0)
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


class Child:
    """A process pinned to one core, used as a context manager."""

    def __init__(
        self, command: Sequence[str], *, core: int, env: Mapping[str, str] | None = None
    ) -> None:
        """Start ``command`` on ``core``; its standard error is kept to explain a failure."""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed in __exit__)
        self._lines: Queue[str] = Queue()
        self.command = list(command)
        with _pinned(core):
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                text=True,
                env=env,
            )
        Thread(target=self._read, daemon=True).start()

    @classmethod
    def python(cls, *arguments: str, core: int) -> Self:
        """Start this interpreter with ``arguments``."""
        return cls([sys.executable, *arguments], core=core)

    def __enter__(self) -> Self:
        """Return the running child."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process: ask first, kill after ``STOP_SECONDS``."""
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self._errors):
            if pipe is not None:
                pipe.close()

    def ask(self, line: str) -> str:
        """Write one line and return the line that answers it.

        Raises:
            RuntimeError: when the child ended or took longer than ``ANSWER_SECONDS``.
        """
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.line()

    def line(self) -> str:
        """Return the next line of the child's output.

        Raises:
            RuntimeError: when the child ended or took longer than ``ANSWER_SECONDS``.
        """
        try:
            line = self._lines.get(timeout=ANSWER_SECONDS)
        except Empty:
            line = _END
        if line == _END:
            raise RuntimeError(f"{' '.join(self.command)} gave no answer\n{self.errors()}")
        return line

    def rest(self, seconds: float) -> str:
        """Wait for the child to end and return all that it wrote.

        Raises:
            RuntimeError: when it did not end within ``seconds``, or ended with an error.
        """
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            status = -1
        lines = []
        while status == 0 and (line := self._lines.get()) != _END:
            lines.append(line)
        if status != 0:
            raise RuntimeError(f"{' '.join(self.command)} failed ({status})\n{self.errors()}")
        return "\n".join(lines)

    def errors(self) -> str:
        """Return the end of what the child wrote to standard error."""
        self._errors.seek(0)
        return self._errors.read().decode(errors="replace")[-4000:]

    def cpu(self) -> float:
        """Return the processor time in seconds used so far, in user and kernel mode."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * TICK

    def memory(self) -> dict[str, float]:
        """Return resident memory now (``rss``) and at its peak (``peak``), in MB of 2**20 bytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        pairs = dict(line.split(":", 1) for line in status.splitlines())
        return {
            "rss": int(pairs["VmRSS"].split()[0]) / 1024,
            "peak": int(pairs["VmHWM"].split()[0]) / 1024,
        }

    def _read(self) -> None:
        assert self.process.stdout is not None
        try:
            for line in self.process.stdout:
                self._lines.put(line.strip())
        except ValueError:  # closed while reading: the child is being ended
            pass
        self._lines.put(_END)


@contextmanager
def _pinned(core: int) -> Iterator[None]:
    """Keep this thread on ``core``: a process started meanwhile inherits that with all threads."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)

"""Several processes that serve on the same sockets, and the parent that watches over them.

The parent binds the sockets, starts the workers, starts a crashed one again, forwards signals and
waits until all have ended. It runs no event loop and no app. Each worker is
`python -m pegboard._serving.workers`; a pair of sockets tells the parent that it is ready, and the
worker that its parent has gone.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from pegboard._serving.failure import INTERRUPTED, reported
from pegboard._serving.serve import STOP_GRACE, ServeRequest, announcement, run_app
from pegboard.errors import ConfigError

if TYPE_CHECKING:
    from pegboard._app import App
    from pegboard.contracts.server import Server, ServeSettings

__all__ = ["Delay", "supervise"]

READY = b"+"
TASK_VARIABLE = "PEGBOARD_WORKER"
SIGNALS = (signal.SIGINT, signal.SIGTERM)

ENDED_AS_TOLD = (0, -signal.SIGTERM, -signal.SIGINT, INTERRUPTED)
"""Exit statuses after a signal of ours; those but 0 are of a worker that had just begun."""

_logger = logging.getLogger("pegboard.serve")


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is told.

    Attributes:
        request: What the command line was asked for.
        sockets: Descriptors of the listening sockets.
        parent: Descriptor of the pair that leads to the parent.
        shows_banner: Whether it is the one that says where the app is served.
    """

    request: ServeRequest
    sockets: list[int]
    parent: int
    shows_banner: bool


class Delay:
    """How long to wait before a crashed worker is started again.

    Args:
        first: Seconds before the first new start; each further one waits twice as long.
        longest: Seconds that are never exceeded.
        steady: Seconds that a worker has to run to be counted as healthy again.
    """

    def __init__(self, *, first: float = 0.5, longest: float = 30.0, steady: float = 30.0) -> None:
        self._first = first
        self._longest = longest
        self._steady = steady
        self._crashes = 0

    def next(self, ran: float) -> float:
        """Return the wait after a worker that ran for `ran` seconds."""
        if ran >= self._steady:
            self._crashes = 0
        self._crashes += 1
        return float(min(self._longest, self._first * 2 ** min(self._crashes - 1, 16)))


def supervise(
    request: ServeRequest, settings: ServeSettings, sockets: Sequence[socket.socket]
) -> int:
    """Run the workers until a signal comes; return the exit status.

    Raises:
        ConfigError: If this system cannot hand sockets to child processes.
    """
    if sys.platform == "win32":
        msg = "several workers need a POSIX system: leave out --workers"
        raise ConfigError(msg)
    return _Supervisor(request, settings, sockets).run()


class _Worker:
    """One place for a worker, with the process that fills it now."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.delay = Delay()
        self.process: subprocess.Popen[bytes] | None = None
        self.channel: socket.socket | None = None
        self.is_ready = False
        self.started = 0.0
        self.due = 0.0

    def start(self, request: ServeRequest, sockets: list[int], *, shows_banner: bool) -> None:
        own, theirs = socket.socketpair()
        task = Task(
            request=request, sockets=sockets, parent=theirs.fileno(), shows_banner=shows_banner
        )
        environment = {**os.environ, TASK_VARIABLE: msgspec.json.encode(task).decode()}
        with theirs, ExitStack() as failed:
            failed.callback(own.close)
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pegboard._serving.workers"],
                env=environment,
                pass_fds=[*sockets, theirs.fileno()],
                process_group=0,  # a Ctrl+C in the terminal is for the parent, which forwards it
            )
            failed.pop_all()
        own.setblocking(False)
        self.channel, self.is_ready, self.started = own, False, time.monotonic()

    def read(self) -> bool:
        """Take what the worker says; False if it has closed its end."""
        if self.channel is None:
            return False
        try:
            said = self.channel.recv(16)
        except BlockingIOError:
            return True
        except ConnectionError:
            return False
        self.is_ready = self.is_ready or READY in said
        return bool(said)

    def close(self) -> None:
        if self.channel is not None:
            self.channel.close()
            self.channel = None


class _Supervisor:
    def __init__(
        self, request: ServeRequest, settings: ServeSettings, sockets: Sequence[socket.socket]
    ) -> None:
        self._request = request
        self._settings = settings
        self._sockets = [each.fileno() for each in sockets]
        self._workers = [_Worker(number + 1) for number in range(settings.workers)]
        self._selector = selectors.DefaultSelector()
        self._signals = 0
        self._deadline = 0.0
        self._was_ready = False
        self._status = 0

    def run(self) -> int:
        with _wakeups() as wakeup:
            self._selector.register(wakeup, selectors.EVENT_READ)
            for worker in self._workers:
                self._start(worker)
            try:
                while any(worker.process for worker in self._workers) or not self._signals:
                    self._turn(wakeup)
            finally:
                self._kill()
        return self._status

    def _turn(self, wakeup: socket.socket) -> None:
        for key, _ in self._selector.select(self._timeout()):
            if key.fileobj is wakeup:
                for number in wakeup.recv(64):
                    if number in SIGNALS:
                        self._forward(signal.Signals(number))
            else:
                self._listen(key.data)
        for worker in self._workers:
            if worker.process is not None and worker.process.poll() is not None:
                self._ended(worker, worker.process.returncode)
            elif worker.process is None and worker.due and time.monotonic() >= worker.due:
                self._start_again(worker)
        if self._signals and time.monotonic() >= self._deadline:
            self._kill()

    def _timeout(self) -> float | None:
        dues = [worker.due for worker in self._workers if worker.process is None and worker.due]
        if self._signals:
            dues.append(self._deadline)
        return max(0.0, min(dues) - time.monotonic()) if dues else None

    def _start(self, worker: _Worker) -> None:
        worker.due = 0.0
        is_first = worker.number == 1 and not self._was_ready
        worker.start(self._request, self._sockets, shows_banner=is_first)
        if worker.channel is not None:
            self._selector.register(worker.channel, selectors.EVENT_READ, worker)

    def _start_again(self, worker: _Worker) -> None:
        """Start a worker; where the system has nothing left for it, the others go on."""
        try:
            self._start(worker)
        except OSError as error:
            wait = worker.delay.next(0.0)
            worker.due = time.monotonic() + wait
            _logger.error("worker %d: %s; trying again in %g s", worker.number, error, wait)  # noqa: TRY400 - the system says it all

    def _listen(self, worker: _Worker) -> None:
        if worker.channel is not None and not worker.read():
            self._selector.unregister(worker.channel)
            worker.close()
        if not self._was_ready and all(each.is_ready for each in self._workers):
            self._was_ready = True
            _logger.info("%d workers are ready", len(self._workers))

    def _ended(self, worker: _Worker, code: int) -> None:
        if worker.channel is not None:
            self._selector.unregister(worker.channel)
            worker.close()
        pid = worker.process.pid if worker.process else 0
        worker.process = None
        if self._signals:
            self._status = self._status or int(code not in ENDED_AS_TOLD)
            return
        if not worker.is_ready and not self._was_ready:
            # It has said itself why; the others would fail in the same way.
            _logger.error("worker %d could not start (%s)", worker.number, _reason(code))
            self._status = 1
            self._forward(signal.SIGTERM)
            return
        wait = worker.delay.next(time.monotonic() - worker.started)
        worker.due = time.monotonic() + wait
        _logger.error(
            "worker %d (process %d) ended: %s; starting it again in %g s",
            worker.number,
            pid,
            _reason(code),
            wait,
        )

    def _forward(self, number: signal.Signals) -> None:
        self._signals += 1
        if self._signals == 1:
            self._deadline = time.monotonic() + self._settings.shutdown_timeout + STOP_GRACE + 5.0
        elif self._signals > 2:
            self._kill()
        for worker in self._workers:
            worker.due = 0.0
            if worker.process is not None:
                worker.process.send_signal(number)

    def _kill(self) -> None:
        for worker in self._workers:
            if worker.process is not None:
                worker.process.kill()
                worker.process.wait()


@contextmanager
def _wakeups() -> Iterator[socket.socket]:
    """Make signals, that of an ended child among them, readable as bytes."""
    reader, writer = socket.socketpair()
    for end in (reader, writer):
        end.setblocking(False)
    old = {number: signal.signal(number, lambda *_: None) for number in (*SIGNALS, signal.SIGCHLD)}
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    try:
        yield reader
    finally:
        signal.set_wakeup_fd(before)
        for number, handler in old.items():
            signal.signal(number, handler)
        reader.close()
        writer.close()


def _reason(code: int) -> str:
    if code >= 0:
        return f"status {code}"
    names = {each.value: each.name for each in signal.Signals}
    return f"signal {names.get(-code, -code)}"


def _work() -> int:
    """Serve as a worker; return the exit status."""
    task = msgspec.json.decode(os.environ.pop(TASK_VARIABLE), type=Task)
    for descriptor in (*task.sockets, task.parent):
        os.set_inheritable(descriptor, False)
    sockets = [socket.socket(fileno=descriptor) for descriptor in task.sockets]
    channel = socket.socket(fileno=task.parent)
    _, settings = task.request.read_settings()
    announce = announcement(task.request, settings, sockets)

    def started(app: App, server: Server) -> None:
        if task.shows_banner:
            announce(app, server)
        channel.sendall(READY)

    return run_app(task.request, sockets, started=started, parent=channel.fileno())


def _main() -> Any:
    with reported():
        sys.exit(_work())


if __name__ == "__main__":
    _main()

"""Several processes that serve on the same sockets, and the parent that watches over them.

The parent binds the sockets, starts the workers, starts a crashed one again, has a new process take
over from one that asks for it, forwards signals and waits until all have ended. It runs no event
loop and no app. Each worker is `python -m pegboard._serving.workers`; a pair of sockets tells the
parent that it is ready, and the worker that its parent has gone.
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
from pegboard._serving.succession import SIGNALS, SUCCESSOR, ByParent
from pegboard.errors import ConfigError

if TYPE_CHECKING:
    from pegboard._app import App
    from pegboard.contracts.server import Server, ServeSettings

__all__ = ["Delay", "supervise"]

READY = b"+"
TASK_VARIABLE = "PEGBOARD_WORKER"

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
    request: ServeRequest,
    settings: ServeSettings,
    sockets: Sequence[socket.socket],
    *,
    serving: Worker | None = None,
    is_stopping: bool = False,
) -> int:
    """Run the workers until a signal comes; return the exit status.

    Args:
        request: What the command line was asked for.
        settings: How to serve.
        sockets: Listening sockets.
        serving: The only worker, if that serves already.
        is_stopping: Whether a signal has come already.

    Raises:
        ConfigError: If this system cannot hand sockets to child processes.
    """
    if sys.platform == "win32":
        msg = "several workers need a POSIX system: leave out --workers"
        raise ConfigError(msg)
    supervisor = _Supervisor(request, settings, sockets)
    if serving is not None:
        supervisor.adopt(serving)
    return supervisor.run(is_stopping=is_stopping)


class Worker:
    """One place for a worker, with the process that fills it now.

    Attributes:
        number: Which of the workers it is.
        delay: How long to wait before it is started again.
        process: Its process, if it has one.
        channel: Leads to it.
        is_ready: Whether it has served.
        wants_successor: Whether another one is to take its place.
        started: Seconds of the monotonic clock when it was started.
        due: The same when it is to be started again, 0 for never.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.delay = Delay()
        self.process: subprocess.Popen[bytes] | None = None
        self.channel: socket.socket | None = None
        self.is_ready = False
        self.wants_successor = False
        self.started = 0.0
        self.due = 0.0

    @property
    def pid(self) -> int:
        """The number of its process, 0 without one."""
        return 0 if self.process is None else self.process.pid

    def terminate(self) -> None:
        """Ask it to stop, if it runs."""
        if self.process is not None:
            self.process.terminate()

    def abandon(self) -> None:
        """End at once what has not begun to serve."""
        self.close()
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def start(
        self, request: ServeRequest, sockets: list[int], *, shows_banner: bool = False
    ) -> None:
        """Start a process; `read` says when it serves."""
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
        self.wants_successor = self.wants_successor or SUCCESSOR in said
        return bool(said)

    def close(self) -> None:
        """Forget the channel."""
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
        self._workers = [Worker(number + 1) for number in range(settings.workers)]
        self._coming: Worker | None = None
        self._leaving: list[Worker] = []
        self._selector = selectors.DefaultSelector()
        self._signals = 0
        self._deadline = 0.0
        self._was_ready = False
        self._status = 0

    @property
    def _everyone(self) -> list[Worker]:
        """All that may have a process: those that come and those that go are among them."""
        return [*self._workers, *self._leaving, *([self._coming] if self._coming else [])]

    def adopt(self, worker: Worker) -> None:
        """Watch over a worker that serves already."""
        self._workers, self._was_ready = [worker], True
        if worker.channel is not None:
            self._selector.register(worker.channel, selectors.EVENT_READ, worker)

    def run(self, *, is_stopping: bool = False) -> int:
        with _wakeups() as wakeup:
            self._selector.register(wakeup, selectors.EVENT_READ)
            for worker in self._workers:
                if worker.process is None:
                    self._start(worker)
            if is_stopping:
                self._forward(signal.SIGTERM)
            try:
                while any(worker.process for worker in self._everyone) or not self._signals:
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
        for worker in self._everyone:
            if worker.process is not None and worker.process.poll() is not None:
                self._ended(worker, worker.process.returncode)
            elif worker.process is None and worker.due and time.monotonic() >= worker.due:
                self._start_again(worker)
        self._replace_one()
        if self._signals and time.monotonic() >= self._deadline:
            self._kill()

    def _replace_one(self) -> None:
        """Let a new process take the place of a worker that wants it, one after the other."""
        wanting = [each for each in self._workers if each.wants_successor and each.process]
        if self._coming is not None or not wanting or self._signals:
            return
        _logger.info("worker %d: a new process is starting, to take over", wanting[0].number)
        self._coming = Worker(wanting[0].number)
        try:
            self._start(self._coming)
        except OSError as error:
            self._give_up(str(error))

    def _take_over(self, successor: Worker) -> None:
        before = self._workers[successor.number - 1]
        self._workers[successor.number - 1] = successor
        self._coming = None
        self._leaving.append(before)
        before.terminate()
        _logger.info(
            "worker %d: process %d has taken over from %d, which ends what it has begun",
            *(successor.number, successor.pid, before.pid),
        )

    def _give_up(self, reason: str) -> None:
        if self._coming is not None:
            worker, self._coming = self._workers[self._coming.number - 1], None
            worker.wants_successor = False
            text = "worker %d: the new process could not start (%s): the one before goes on"
            _logger.error(text, worker.number, reason)

    def _timeout(self) -> float | None:
        dues = [worker.due for worker in self._workers if worker.process is None and worker.due]
        if self._signals:
            dues.append(self._deadline)
        return max(0.0, min(dues) - time.monotonic()) if dues else None

    def _start(self, worker: Worker) -> None:
        worker.due = 0.0
        is_first = worker.number == 1 and not self._was_ready and worker is not self._coming
        worker.start(self._request, self._sockets, shows_banner=is_first)
        if worker.channel is not None:
            self._selector.register(worker.channel, selectors.EVENT_READ, worker)

    def _start_again(self, worker: Worker) -> None:
        """Start a worker; where the system has nothing left for it, the others go on."""
        try:
            self._start(worker)
        except OSError as error:
            wait = worker.delay.next(0.0)
            worker.due = time.monotonic() + wait
            _logger.error("worker %d: %s; trying again in %g s", worker.number, error, wait)  # noqa: TRY400 - the system says it all

    def _listen(self, worker: Worker) -> None:
        if worker.channel is not None and not worker.read():
            self._selector.unregister(worker.channel)
            worker.close()
        if worker is self._coming and worker.is_ready:
            self._take_over(worker)
        if not self._was_ready and all(each.is_ready for each in self._workers):
            self._was_ready = True
            _logger.info("%d workers are ready", len(self._workers))

    def _ended(self, worker: Worker, code: int) -> None:
        if worker.channel is not None:
            self._selector.unregister(worker.channel)
            worker.close()
        pid = worker.pid
        worker.process = None
        if worker in self._leaving:
            self._leaving.remove(worker)
            return
        if worker is self._coming:
            self._give_up(_reason(code))
            return
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
        for worker in self._everyone:
            worker.due = 0.0
            if worker.process is not None:
                worker.process.send_signal(number)

    def _kill(self) -> None:
        for worker in self._everyone:
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
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # see `ByChild.leave`
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

    return run_app(
        task.request,
        sockets,
        started=started,
        parent=channel.fileno(),
        succession=ByParent(channel),
    )


def _main() -> Any:
    with reported():
        sys.exit(_work())


if __name__ == "__main__":
    _main()

"""The tasks that send what waits in the outboxes of all connections.

A task for each connection would be woken for each message, which costs a broadcast as much as the
sending itself. Here one task goes from connection to connection for as long as servers take what
they are given at once, which they nearly always do. Before each step it makes sure that another
task is about to run: if the step has to wait for a slow client, that other one carries on with the
rest. So there are as many tasks as clients being waited for, and one or two more.

The invariant: while a connection is ready, some task is on its way to it (`_coming` is above 0).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

from anyio import CancelScope

from pegboard_transport_ws._signal import create_signal

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from pegboard_transport_ws._signal import Signal

__all__ = ["Flushable", "SenderPool"]

MOST_IDLE = 1_000  # tasks that are kept for later; only that many waiting at once leave as many


class Flushable(Protocol):
    """What has something to send."""

    async def flush(self, scope: CancelScope) -> None:
        """Send what waits; cancelling `scope` ends the attempt, and the task that makes it."""
        ...


class SenderPool:
    """Flushes what is ready, each by one task at a time.

    Args:
        tasks: Where the tasks run.
    """

    def __init__(self, tasks: TaskGroup) -> None:
        self._tasks = tasks
        self._ready: deque[Flushable] = deque()
        self._idle: list[Signal] = []
        self._coming = 0
        self._is_closed = False

    def add(self, flushable: Flushable) -> None:
        """Flush something soon. It is not added again before its flush has begun."""
        if self._is_closed:
            return
        self._ready.append(flushable)
        if not self._coming:
            self._call()

    def close(self) -> None:
        """Start no task any more, since the task group ends; what is added is forgotten."""
        self._is_closed = True
        self._ready.clear()

    def _call(self) -> None:
        self._coming += 1
        if self._idle:
            self._idle.pop().set()
        else:
            self._tasks.start_soon(self._work, name="WebSocket sender")

    async def _work(self) -> None:
        signal = create_signal()
        self._coming -= 1
        with CancelScope() as scope:
            while not scope.cancel_called:
                if self._ready:
                    await self._step(scope)
                elif len(self._idle) < MOST_IDLE:
                    self._idle.append(signal)
                    await signal.wait()
                    self._coming -= 1
                else:
                    return

    async def _step(self, scope: CancelScope) -> None:
        flushable = self._ready.popleft()
        if self._ready and not self._coming:
            self._call()
        await flushable.flush(scope)

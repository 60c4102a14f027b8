"""One piece of work that waits for the writer, and whoever waits for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from enum import Enum
from threading import Lock
from typing import Any, Generic, TypeVar

from anyio import Event

from pegboard_database._loop import Loop
from pegboard_database._statement import Transaction

__all__ = ["State", "Ticket", "wake"]

T = TypeVar("T")


class State(Enum):
    """How far a ticket is; it changes under the lock of the queue only."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"


class Ticket(Generic[T]):
    """A piece of work in the queue of the writer.

    Args:
        work: What to run.
        loop: Event loop of the task that waits; None for a thread that does.
    """

    __slots__ = ("error", "event", "gate", "loop", "since", "state", "value", "work")

    def __init__(self, work: Callable[[Transaction], T], loop: Loop | None) -> None:
        self.work = work
        self.loop = loop
        self.state = State.WAITING
        self.since = 0.0
        self.error: BaseException | None = None
        self.value: Any = None
        self.event: Event | None = None
        self.gate: Lock | None = None
        if loop is None:
            self.gate = Lock()  # held until the work is done; half the cost of an Event
            self.gate.acquire()
        else:
            self.event = Event()

    def wait(self) -> None:
        """Wait in this thread until the work is done."""
        if self.gate is not None:
            self.gate.acquire()

    async def wait_async(self) -> None:
        """Wait in this task until the work is done."""
        if self.event is not None:
            await self.event.wait()

    def outcome(self) -> T:
        """Return what the work returned.

        Raises:
            BaseException: What the work raised, or what went wrong with its commit.
        """
        if self.error is not None:
            try:
                raise self.error
            finally:
                self.error = None  # the traceback would keep this frame alive
        value: T = self.value
        return value


def wake(tickets: Iterable[Ticket[Any]]) -> None:
    """Tell those who wait that their tickets are done; each event loop is disturbed once."""
    events: defaultdict[Loop, list[Event]] = defaultdict(list)
    for ticket in tickets:
        if ticket.gate is not None:
            ticket.gate.release()
        elif ticket.event is not None and ticket.loop is not None:
            events[ticket.loop].append(ticket.event)
    for loop, waiting in events.items():
        loop.wake(waiting)

"""The bounded queue before the writer: threads and tasks wait for room in the order they came."""

from __future__ import annotations

import time
from collections import deque
from threading import Condition, Lock
from typing import Any

import anyio
from anyio import Event

from pegboard_database._error import BusyError, ClosedError
from pegboard_database._loop import Loop
from pegboard_database._ticket import State, Ticket

__all__ = ["Queue"]


class Queue:
    """Tickets that wait; every change of a ticket's state happens under its lock.

    Args:
        limit: Tickets that wait at once.
        wait: Seconds that somebody waits for room.
        name: What errors call the database.
    """

    def __init__(self, limit: int, wait: float, name: str) -> None:
        self.limit = limit
        self.is_closed = False
        self._wait = wait
        self._name = name
        self._lock = Lock()
        self._filled = Condition(self._lock)
        self._drained = Condition(self._lock)
        self._tickets: deque[Ticket[Any]] = deque()
        self._events: deque[tuple[Loop, Event]] = deque()  # tasks that wait for room

    def __len__(self) -> int:
        return len(self._tickets)

    def put(self, ticket: Ticket[Any]) -> None:
        """Add a ticket, and wait for room in this thread.

        Raises:
            BusyError: If there was no room in time.
            ClosedError: If the queue is closed.
        """
        with self._lock:
            if not self._drained.wait_for(self._has_room, self._wait):
                raise self._full()
            self._add(ticket)

    async def put_async(self, ticket: Ticket[Any], loop: Loop) -> None:
        """Add a ticket, and wait for room in this task; a cancelled one adds nothing.

        Raises:
            BusyError: If there was no room in time.
            ClosedError: If the queue is closed.
        """
        deadline = time.monotonic() + self._wait
        while True:
            with self._lock:
                if self._has_room():
                    self._add(ticket)
                    return
                event = Event()
                self._events.append((loop, event))
            with anyio.move_on_after(deadline - time.monotonic()) as scope:
                await event.wait()
            if scope.cancelled_caught:
                raise self._full()

    def take(self) -> Ticket[Any] | None:
        """Take the oldest ticket and mark it as running; None where there is none."""
        with self._lock:
            if not self._tickets:
                return None
            ticket = self._tickets.popleft()
            ticket.state = State.RUNNING
            if len(self._tickets) == self.limit - 1:
                self._room()
            return ticket

    def take_older(self, moment: float) -> list[Ticket[Any]]:
        """Take the tickets that have waited since before `moment`."""
        taken: list[Ticket[Any]] = []
        with self._lock:
            while self._tickets and self._tickets[0].since <= moment:
                ticket = self._tickets.popleft()
                ticket.state = State.RUNNING
                taken.append(ticket)
            if taken:
                self._room()
        return taken

    def withdraw(self, ticket: Ticket[Any]) -> bool:
        """Take a ticket back; False if the writer has it already."""
        with self._lock:
            if ticket.state is not State.WAITING:
                return False
            self._tickets.remove(ticket)
            ticket.state = State.DONE
            self._room()
            return True

    def wait_filled(self) -> bool:
        """Wait for a ticket; False once the queue is closed and empty."""
        with self._lock:
            self._filled.wait_for(lambda: bool(self._tickets) or self.is_closed)
            return bool(self._tickets)

    def close(self) -> None:
        """Take no more tickets; those that wait are still handed out."""
        with self._lock:
            self.is_closed = True
            self._filled.notify_all()
            self._room()

    def _has_room(self) -> bool:
        return self.is_closed or len(self._tickets) < self.limit

    def _add(self, ticket: Ticket[Any]) -> None:
        if self.is_closed:
            msg = f"database {self._name} is closed"
            raise ClosedError(msg)
        ticket.since = time.monotonic()
        self._tickets.append(ticket)
        if len(self._tickets) == 1:
            self._filled.notify()

    def _room(self) -> None:
        """Wake who waits for room; who finds none waits again."""
        self._drained.notify_all()
        while self._events:
            loop, event = self._events.popleft()
            loop.wake([event])

    def _full(self) -> BusyError:
        msg = f"database {self._name}: {self.limit} writes wait already; try again"
        return BusyError(msg, retry_after=1.0)

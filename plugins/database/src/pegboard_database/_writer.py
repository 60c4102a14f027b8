"""The one writer of a file in this process: many pieces of work, one commit, one sync."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from threading import Thread, get_ident
from typing import Any, TypeVar

import anyio

from pegboard.errors import PegboardError
from pegboard_database._error import BusyError, StatementError
from pegboard_database._loop import current_loop
from pegboard_database._queue import Queue
from pegboard_database._sqlite import Connection, execute, translated
from pegboard_database._statement import Transaction
from pegboard_database._ticket import State, Ticket, wake

__all__ = ["Writer"]

T = TypeVar("T")

BATCH = 512  # pieces of work in one transaction, at most
BATCH_TIME = 0.02  # seconds that a transaction collects work, so that other processes get a turn


class Writer:
    """Runs pieces of work in one thread, as many in one transaction as wait at the moment.

    Each piece is in a savepoint: one that raises loses its own changes. Nobody hears of success
    before the commit is on the disk.

    Args:
        connection: A connection of its own.
        name: What errors and the thread call the database.
        wait: Seconds to wait for the write lock, or for room in the queue.
        limit: Pieces of work that wait at once.
    """

    def __init__(self, connection: Connection, name: str, *, wait: float, limit: int) -> None:
        self.connection = connection
        self.commits = 0
        self.writes = 0
        self.queue = Queue(limit, wait, name)
        self._name = name
        self._wait = wait
        self._transaction = Transaction(connection, name)
        self._thread = Thread(target=self._run, name=f"database {name}", daemon=True)
        self._thread.start()

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` and return its result once it is committed; see `Database.write`."""
        self._refuse_itself()
        ticket = Ticket(work, None)
        self.queue.put(ticket)
        try:
            ticket.wait()
        except BaseException:
            self.queue.withdraw(ticket)
            raise
        return ticket.outcome()

    async def awrite(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` and return its result once it is committed; see `Database.awrite`."""
        loop = current_loop()
        ticket = Ticket(work, loop)
        await self.queue.put_async(ticket, loop)
        try:
            await ticket.wait_async()
        except anyio.get_cancelled_exc_class():
            if not self.queue.withdraw(ticket):
                with anyio.CancelScope(shield=True):
                    await ticket.wait_async()
            raise
        return ticket.outcome()

    def close(self) -> None:
        """Finish what waits, then close the connection; to be called from another thread."""
        self.queue.close()
        if self._thread.ident != get_ident():
            self._thread.join()

    def _refuse_itself(self) -> None:
        if self._thread.ident == get_ident():
            msg = (
                f"a write to {self._name} inside a write would wait for itself: use the "
                f"transaction that the work was given"
            )
            raise RuntimeError(msg)

    def _run(self) -> None:
        while self.queue.wait_filled():
            self._commit_waiting()
        with translated(self._name):
            self.connection.close()

    def _commit_waiting(self) -> None:
        try:
            self._control("begin immediate")
        except PegboardError as error:
            overdue = time.monotonic() - (self._wait if isinstance(error, BusyError) else 0)
            self._finish(self.queue.take_older(overdue), error)
            return
        batch: list[Ticket[Any]] = []
        try:
            self._collect(batch)
            self._control("commit")
        except Exception as error:  # noqa: BLE001 - whoever waits hears of it
            self._abort()
            self._finish(batch, error)
        else:
            self.commits += 1
            self.writes += len(batch)
            self._finish(batch, None)

    def _collect(self, batch: list[Ticket[Any]]) -> None:
        until = time.monotonic() + BATCH_TIME
        while len(batch) < BATCH and (not batch or time.monotonic() < until):
            ticket = self.queue.take()
            if ticket is None:
                return
            batch.append(ticket)
            self._perform(ticket)

    def _perform(self, ticket: Ticket[Any]) -> None:
        self._control("savepoint work")
        try:
            ticket.value = ticket.work(self._transaction)
        except BaseException as error:
            ticket.error = error
            if self.connection.in_transaction:
                self._control("rollback to work")
            elif isinstance(error, PegboardError):  # a full or failing disk undoes everything
                raise
        if not self.connection.in_transaction:
            raise self._ended()
        self._control("release work")

    def _ended(self) -> StatementError:
        msg = f"database {self._name}: a piece of work ended the transaction that it shares"
        return StatementError(msg)

    def _control(self, statement: str) -> None:
        with translated(self._name):
            execute(self.connection, statement).close()

    def _abort(self) -> None:
        if self.connection.in_transaction:
            try:
                self._control("rollback")
            except PegboardError:  # the next begin fails with what is wrong
                return

    def _finish(self, tickets: list[Ticket[Any]], error: BaseException | None) -> None:
        for ticket in tickets:
            if error is not None and ticket.error is None:
                ticket.error = copy.copy(error)
                ticket.error.__cause__ = error
            ticket.state = State.DONE
        wake(tickets)

"""Records on a PostgreSQL server: one writer thread per process that commits what waits together.

Writers of all processes take turns by an advisory lock, as they do in SQLite: no deadlocks, no
serialization failures, and events become visible in the order of their numbers. Each commit carries
the number of its batch, so that after a broken connection the writer knows whether a commit whose
answer was lost has happened: no work is lost, and none is done twice.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from hashlib import sha256
from queue import Empty, Full, Queue
from threading import Lock, Thread
from typing import Any, Self, TypeVar
from uuid import uuid4

import anyio
from anyio import to_thread

from pegboard.errors import UnavailableError
from pegboard_database._contract import Changes, Rows
from pegboard_database._error import BusyError, ClosedError
from pegboard_database._loop import current_loop, reader_limiter
from pegboard_database._postgres_schema import migrate
from pegboard_database._postgres_session import (
    Connection,
    LostConnectionError,
    PostgresSession,
    away,
    connected,
)
from pegboard_database._schema import Schema

__all__ = ["Connection", "LostConnectionError", "PostgresDatabase", "connected"]

T = TypeVar("T")

BATCH = 256  # pieces of work in one transaction, at most
QUEUE = 10_000  # pieces of work that wait, at most
READERS = 8  # connections that are kept open for reading
PATIENCE = 10.0  # seconds that work waits for a server that is away
FIRST_PAUSE = 0.02  # seconds between two attempts to reach it
LONGEST_PAUSE = 0.5
CLOSED = "the database is closed"

SAVE_BATCH = (
    "INSERT INTO pegboard_writer (uuid, batch) VALUES (%s, %s)"
    " ON CONFLICT (uuid) DO UPDATE SET batch = excluded.batch, time = now()"
)


class PostgresDatabase:
    """A database on a server; implements `Records`.

    Args:
        url: Its URL.
        schemas: The tables; steps that the database has not seen run now.
        patience: Seconds that work waits for a server that is away, before it is refused.

    Raises:
        ConfigError: If its tables were written by a newer version.
        UnavailableError: If the server does not answer.
    """

    def __init__(self, url: str, *schemas: Schema, patience: float = PATIENCE) -> None:
        self._url = url
        self._patience = patience
        self._uuid = str(uuid4())
        self._batch = 0
        self._write_lock = _lock_of(schemas)
        self._queue: Queue[_Ticket | None] = Queue(QUEUE)
        self._free: list[Connection] = []
        self._lock = Lock()
        self._is_closed = False
        self._connection: Connection | None = connected(url)
        try:
            migrate(self._connection, schemas)
        except BaseException:
            self._connection.close()
            raise
        self._thread = Thread(target=self._run, name="database writer", daemon=True)
        self._thread.start()

    # -- Records -----------------------------------------------------------------------------

    def write(self, work: Callable[[Changes], T]) -> T:
        """Run `work` in a transaction and return its result; see `Records.write`."""
        answer: T = self._put(work).future.result()
        return answer

    async def awrite(self, work: Callable[[Changes], T]) -> T:
        """Run `work` in a transaction and return its result; see `Records.awrite`."""
        done, loop = anyio.Event(), current_loop()
        ticket = self._put(work)
        ticket.future.add_done_callback(lambda _: loop.wake([done]))
        try:
            await done.wait()
        except anyio.get_cancelled_exc_class():
            if not ticket.future.cancel():
                with anyio.CancelScope(shield=True):
                    await done.wait()
            raise
        answer: T = ticket.future.result()
        return answer

    def read(self, work: Callable[[Rows], T]) -> T:
        """Run `work` on one state and return its result; see `Records.read`."""
        deadline = time.monotonic() + self._patience
        for pause in _pauses():
            try:
                return self._read_once(work)
            except (UnavailableError, LostConnectionError) as error:
                if time.monotonic() + pause >= deadline or self._is_closed:
                    raise away(error) from error
                time.sleep(pause)
        raise AssertionError  # pauses do not end

    async def aread(self, work: Callable[[Rows], T]) -> T:
        """Run `work` on one state and return its result; see `Records.aread`."""
        return await to_thread.run_sync(self.read, work, limiter=reader_limiter())

    def waiting(self) -> int:
        """Return how many pieces of work wait to be written."""
        return self._queue.qsize()

    def close(self) -> None:
        """Finish what waits and close; calling it again does nothing."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            free, self._free = self._free, []
        self._queue.put(None)  # behind all work: nobody puts any since the database is closed
        self._thread.join()
        for connection in free:
            connection.close()
        if self._connection is not None:
            self._connection.close()

    async def aclose(self) -> None:
        """Finish what waits and close, in a worker thread."""
        await to_thread.run_sync(self.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    # -- reading -----------------------------------------------------------------------------

    def _read_once(self, work: Callable[[Rows], T]) -> T:
        connection = self._take()
        try:
            with connection.transaction():
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                return work(PostgresSession(connection))
        finally:
            self._give_back(connection)

    def _take(self) -> Connection:
        with self._lock:
            if self._is_closed:
                raise ClosedError(CLOSED)
            if self._free:
                return self._free.pop()
        return connected(self._url, autocommit=True)

    def _give_back(self, connection: Connection) -> None:
        with self._lock:
            is_good = not connection.broken and not connection.closed and not self._is_closed
            if is_good and len(self._free) < READERS:
                self._free.append(connection)
                return
        connection.close()

    # -- writing -----------------------------------------------------------------------------

    def _put(self, work: Callable[[Changes], Any]) -> _Ticket:
        ticket = _Ticket(work)
        with self._lock:
            if self._is_closed:
                raise ClosedError(CLOSED)
            try:
                self._queue.put_nowait(ticket)
            except Full:
                msg = f"{QUEUE} changes wait for the database: try again"
                raise BusyError(msg, retry_after=1.0) from None
        return ticket

    def _run(self) -> None:
        while True:
            first = self._queue.get()
            tickets = [] if first is None else [first]
            tickets += [each for each in self._waiting() if each is not None]
            tickets = [each for each in tickets if each.future.set_running_or_notify_cancel()]
            if tickets:
                self._commit(tickets)
            if first is None and self._queue.empty():
                return
            if first is None:
                self._queue.put(None)

    def _waiting(self) -> Iterator[_Ticket | None]:
        with contextlib.suppress(Empty):
            for _ in range(BATCH - 1):
                yield self._queue.get_nowait()

    def _commit(self, tickets: list[_Ticket]) -> None:
        """Run a batch; if one of several raises, each has to run alone."""
        if self._commit_together(tickets):
            return
        for ticket in tickets:
            self._commit_together([ticket])

    def _commit_together(self, tickets: list[_Ticket]) -> bool:
        """Commit once, however often the connection breaks; False if one of several raised."""
        deadline = time.monotonic() + self._patience
        self._batch += 1
        answers: list[Any] | None = None
        for pause in _pauses():
            try:
                if answers is None or not self._is_committed():
                    answers = self._attempt(tickets)
                _resolve(tickets, answers)
                return True
            except _WorkError as error:
                if len(tickets) > 1:
                    return False
                tickets[0].future.set_exception(error.cause)
                return True
            except _LostAnswerError as error:
                answers = error.answers
                failure: Exception = error
            except (UnavailableError, LostConnectionError) as error:
                failure = error
            except Exception as error:  # noqa: BLE001 - a missing table or right: whoever waits hears
                self._drop()
                for ticket in tickets:
                    ticket.future.set_exception(away(error))
                return True
            self._drop()
            if time.monotonic() + pause >= deadline:
                for ticket in tickets:
                    ticket.future.set_exception(away(failure))
                return True
            time.sleep(pause)
        return True

    def _attempt(self, tickets: list[_Ticket]) -> list[Any]:
        connection = self._connected()
        try:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (self._write_lock,))
            session = PostgresSession(connection)
            answers = [_answer(ticket, session) for ticket in tickets]
            connection.execute(SAVE_BATCH, (self._uuid, self._batch))
        except BaseException:
            if not connection.broken:
                connection.rollback()
            raise
        try:
            connection.commit()
        except LostConnectionError as error:
            raise _LostAnswerError(answers) from error
        return answers

    def _is_committed(self) -> bool:
        """Whether the commit whose answer was lost has happened."""
        connection = self._connected()
        # whoever holds the lock may be our own transaction, which the server has not ended yet
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (self._write_lock,))
        sql = "SELECT batch FROM pegboard_writer WHERE uuid = %s"
        row = connection.execute(sql, (self._uuid,)).fetchone()
        connection.rollback()
        return row is not None and row[0] == self._batch

    def _connected(self) -> Connection:
        if self._connection is None:
            self._connection = connected(self._url)
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _Ticket:
    """A piece of work, and who waits for it."""

    def __init__(self, work: Callable[[Changes], Any]) -> None:
        self.work = work
        self.future: Future[Any] = Future()


class _WorkError(Exception):
    """A piece of work raised."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause


class _LostAnswerError(Exception):
    """The connection broke while a commit was under way."""

    def __init__(self, answers: list[Any]) -> None:
        super().__init__("the connection broke")
        self.answers = answers


def _answer(ticket: _Ticket, session: PostgresSession) -> Any:
    try:
        return ticket.work(session)
    except LostConnectionError:
        raise
    except Exception as error:
        raise _WorkError(error) from error


def _resolve(tickets: list[_Ticket], answers: list[Any]) -> None:
    for ticket, answer in zip(tickets, answers, strict=True):
        ticket.future.set_result(answer)


def _pauses() -> Iterator[float]:
    pause = FIRST_PAUSE
    while True:
        yield pause
        pause = min(pause * 2, LONGEST_PAUSE)


def _lock_of(schemas: Sequence[Schema]) -> int:
    """Return the advisory lock of those who write to these tables."""
    names = ",".join(schema.name for schema in schemas)
    return int.from_bytes(sha256(names.encode()).digest()[:8], signed=True)

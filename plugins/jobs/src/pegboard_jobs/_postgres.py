"""The tables in PostgreSQL: one writer thread per process that commits what waits together.

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
from functools import lru_cache
from queue import Empty, Full, Queue
from threading import Lock, Thread
from typing import Any, TypeVar
from uuid import uuid4

import anyio
import psycopg
from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar, current_token

from pegboard.errors import ConfigError, ConflictError, PegboardError, UnavailableError
from pegboard_jobs._database import Changes, Rows
from pegboard_jobs._post import poster
from pegboard_jobs._schema import STEPS

__all__ = ["Connection", "LostConnectionError", "PostgresDatabase", "connected"]

T = TypeVar("T")

BATCH = 256  # pieces of work in one transaction, at most
QUEUE = 10_000  # pieces of work that wait, at most
READERS = 4  # connections that read at once
PATIENCE = 10.0  # seconds that work waits for a server that is away
FIRST_PAUSE = 0.02  # seconds between two attempts to reach it
LONGEST_PAUSE = 0.5
CONNECT_TIMEOUT = 5  # seconds

WRITE_LOCK = 0x7065676A6F6273  # advisory lock of whoever writes

CLIENT_OPTIONS = {
    "connect_timeout": CONNECT_TIMEOUT,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "application_name": "pegboard jobs",
}

BATCH_TABLE = """
    CREATE TABLE IF NOT EXISTS pegboard_writer (
        uuid TEXT PRIMARY KEY, batch BIGINT NOT NULL, time TIMESTAMPTZ NOT NULL DEFAULT now()
    )
"""
SCHEMA_TABLE = "CREATE TABLE IF NOT EXISTS pegboard_jobs_schema (version INTEGER NOT NULL)"
SAVE_BATCH = (
    "INSERT INTO pegboard_writer (uuid, batch) VALUES (%s, %s)"
    " ON CONFLICT (uuid) DO UPDATE SET batch = excluded.batch, time = now()"
)
FORGET_WRITERS = "DELETE FROM pegboard_writer WHERE time < now() - interval '7 days'"

Connection = psycopg.Connection[tuple[Any, ...]]
LostConnectionError = psycopg.OperationalError
"""The server went away, or ended our session."""

_limiter: RunVar[CapacityLimiter] = RunVar("pegboard_jobs_readers")


def connected(url: str, *, autocommit: bool = False) -> Connection:
    """Open a connection.

    Raises:
        UnavailableError: If the server does not answer, or does not let us in.
    """
    try:
        return psycopg.connect(url, autocommit=autocommit, **CLIENT_OPTIONS)  # type: ignore[arg-type]  # options of libpq
    except psycopg.OperationalError as error:
        msg = f"the database of jobs does not answer: {_first_line(error)}"
        raise UnavailableError(msg, retry_after=1.0) from error


class Session:
    """Statements of one transaction; `?` stands for a value."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return all rows."""
        return self._run(sql, values).fetchall()

    def first(self, sql: str, *values: Any) -> tuple[Any, ...] | None:
        """Return the first row, None where there is none."""
        return self._run(sql, values).fetchone()

    def value(self, sql: str, *values: Any) -> Any:
        """Return the first column of the first row, None where there is no row."""
        row = self.first(sql, *values)
        return None if row is None else row[0]

    def execute(self, sql: str, *values: Any) -> int:
        """Run a statement and return how many rows it changed."""
        return self._run(sql, values).rowcount

    def _run(self, sql: str, values: Sequence[Any]) -> psycopg.Cursor[tuple[Any, ...]]:
        try:
            return self._connection.execute(_adapted(sql), values or None)
        except psycopg.IntegrityError as error:
            msg = f"the database of jobs refused a row: {_first_line(error)}"
            raise ConflictError(msg) from error


class PostgresDatabase:
    """A database on a server; implements `Database`.

    Args:
        url: Its URL.
        patience: Seconds that work waits for a server that is away, before it is refused.

    Raises:
        ConfigError: If its tables were written by a newer version.
        UnavailableError: If the server does not answer.
    """

    def __init__(self, url: str, *, patience: float = PATIENCE) -> None:
        self._url = url
        self._patience = patience
        self._uuid = str(uuid4())
        self._batch = 0
        self._queue: Queue[_Ticket | None] = Queue(QUEUE)
        self._free: list[Connection] = []
        self._lock = Lock()
        self._is_closed = False
        self._connection: Connection | None = connected(url)
        try:
            _migrate(self._connection)
        except BaseException:
            self._connection.close()
            raise
        self._thread = Thread(target=self._run, name="jobs database", daemon=True)
        self._thread.start()

    # -- Database ----------------------------------------------------------------------------

    def write(self, work: Callable[[Changes], T]) -> T:
        """Run `work` in a transaction and return its result; see `Database.write`."""
        answer: T = self._put(work).future.result()
        return answer

    async def awrite(self, work: Callable[[Changes], T]) -> T:
        """Run `work` in a transaction and return its result; see `Database.awrite`."""
        done, post = anyio.Event(), poster(current_token())
        ticket = self._put(work)
        ticket.future.add_done_callback(lambda _: post(done.set))
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
        """Run `work` on one state and return its result; see `Database.read`."""
        deadline = time.monotonic() + self._patience
        for pause in _pauses():
            try:
                return self._read_once(work)
            except (UnavailableError, psycopg.OperationalError) as error:
                if time.monotonic() + pause >= deadline or self._is_closed:
                    raise _away(error) from error
                time.sleep(pause)
        raise AssertionError  # pauses do not end

    async def aread(self, work: Callable[[Rows], T]) -> T:
        """Run `work` on one state and return its result; see `Database.aread`."""
        limiter = _limiter.get(None)
        if limiter is None:
            limiter = CapacityLimiter(READERS)
            _limiter.set(limiter)
        return await to_thread.run_sync(self.read, work, limiter=limiter)

    def close(self) -> None:
        """Finish what waits and close; calling it again does nothing."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            free, self._free = self._free, []
        self._queue.put(None)
        self._thread.join()
        for connection in free:
            connection.close()
        if self._connection is not None:
            self._connection.close()

    # -- reading -----------------------------------------------------------------------------

    def _read_once(self, work: Callable[[Rows], T]) -> T:
        connection = self._take()
        try:
            with connection.transaction():
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                return work(Session(connection))
        finally:
            self._give_back(connection)

    def _take(self) -> Connection:
        with self._lock:
            if self._is_closed:
                msg = "the database of jobs is closed"
                raise UnavailableError(msg)
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
        if self._is_closed:
            msg = "the database of jobs is closed"
            raise UnavailableError(msg)
        ticket = _Ticket(work)
        try:
            self._queue.put_nowait(ticket)
        except Full:
            msg = f"{QUEUE} changes wait for the database of jobs: try again"
            raise UnavailableError(msg, retry_after=1.0) from None
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
            except (UnavailableError, psycopg.OperationalError) as error:
                failure = error
            self._drop()
            if time.monotonic() + pause >= deadline:
                for ticket in tickets:
                    ticket.future.set_exception(_away(failure))
                return True
            time.sleep(pause)
        return True

    def _attempt(self, tickets: list[_Ticket]) -> list[Any]:
        connection = self._connected()
        try:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (WRITE_LOCK,))
            session = Session(connection)
            answers = [_answer(ticket, session) for ticket in tickets]
            connection.execute(SAVE_BATCH, (self._uuid, self._batch))
        except BaseException:
            if not connection.broken:
                connection.rollback()
            raise
        try:
            connection.commit()
        except psycopg.OperationalError as error:
            raise _LostAnswerError(answers) from error
        return answers

    def _is_committed(self) -> bool:
        """Whether the commit whose answer was lost has happened."""
        connection = self._connected()
        # whoever holds the lock may be our own transaction, which the server has not ended yet
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (WRITE_LOCK,))
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


def _answer(ticket: _Ticket, session: Session) -> Any:
    try:
        return ticket.work(session)
    except psycopg.OperationalError:
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


def _away(error: Exception) -> UnavailableError:
    if isinstance(error, UnavailableError):
        return error
    msg = f"the database of jobs does not answer: {_first_line(error)}"
    return UnavailableError(msg, retry_after=1.0)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


@lru_cache(maxsize=1000)
def _adapted(sql: str) -> bytes:
    """Return a statement with the marks of this driver."""
    return sql.replace("%", "%%").replace("?", "%s").encode()


def _migrate(connection: Connection) -> None:
    """Run the steps that the database has not seen; of several processes one does it.

    Raises:
        ConfigError: If the database was written by a newer version.
        UnavailableError: If the server went away.
    """
    try:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (WRITE_LOCK,))
        connection.execute(SCHEMA_TABLE)
        connection.execute(BATCH_TABLE)
        connection.execute(FORGET_WRITERS)
        row = connection.execute("SELECT version FROM pegboard_jobs_schema").fetchone()
        version = 0 if row is None else int(row[0])
        if version > len(STEPS):
            msg = (
                f"the tables of jobs are of version {version}, this code knows {len(STEPS)}:"
                " pip install --upgrade pegboard-jobs"
            )
            raise ConfigError(msg)
        for step in STEPS[version:]:
            for statement in step:
                connection.execute(statement.encode())
        if version < len(STEPS):
            connection.execute("DELETE FROM pegboard_jobs_schema")
            sql = "INSERT INTO pegboard_jobs_schema VALUES (%s)"
            connection.execute(sql, (len(STEPS),))
        connection.commit()
    except psycopg.OperationalError as error:
        raise _away(error) from error
    except psycopg.Error as error:
        msg = f"the tables of jobs could not be made: {_first_line(error)}"
        raise PegboardError(msg) from error

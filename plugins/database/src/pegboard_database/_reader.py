"""Connections that only read: as many as are used at once, up to a bound."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import BoundedSemaphore, Lock
from typing import TypeVar

from pegboard_database._error import BusyError, ClosedError
from pegboard_database._sqlite import Connection, execute, translated
from pegboard_database._statement import Snapshot

__all__ = ["Readers"]

T = TypeVar("T")

LIMIT = 8  # connections that read at once


class Readers:
    """A pool of connections; the one used last is used first.

    Args:
        connect: Opens a connection that cannot write.
        name: What errors call the database.
        wait: Seconds to wait for a connection.
    """

    def __init__(self, connect: Callable[[], Connection], name: str, wait: float) -> None:
        self._connect = connect
        self._name = name
        self._wait = wait
        self._free: list[Connection] = []
        self._all: set[Connection] = set()
        self._lock = Lock()
        self._permits = BoundedSemaphore(LIMIT)
        self._is_closed = False

    @property
    def connections(self) -> list[Connection]:
        """All connections, used or not."""
        return list(self._all)

    def read(self, work: Callable[[Snapshot], T]) -> T:
        """Run `work` on one state of the database and return its result."""
        with self._connection() as connection, translated(self._name):
            execute(connection, "begin").close()
            try:
                return work(Snapshot(connection, self._name))
            finally:
                execute(connection, "rollback").close()

    def close(self) -> None:
        """Close all connections; one that is in use closes when it comes back."""
        with self._lock:
            self._is_closed = True
            free, self._free = self._free, []
        for connection in free:
            self._close(connection)

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        if not self._permits.acquire(timeout=self._wait):
            msg = f"database {self._name}: {LIMIT} reads run already; try again"
            raise BusyError(msg, retry_after=1.0)
        try:
            connection = self._take()
            try:
                yield connection
            finally:
                self._give_back(connection)
        finally:
            self._permits.release()

    def _take(self) -> Connection:
        with self._lock:
            if self._is_closed:
                msg = f"database {self._name} is closed"
                raise ClosedError(msg)
            if self._free:
                return self._free.pop()
        connection = self._connect()
        self._all.add(connection)
        return connection

    def _give_back(self, connection: Connection) -> None:
        with self._lock:
            if not self._is_closed and not connection.in_transaction:
                self._free.append(connection)
                return
        self._close(connection)

    def _close(self, connection: Connection) -> None:
        self._all.discard(connection)
        connection.close()

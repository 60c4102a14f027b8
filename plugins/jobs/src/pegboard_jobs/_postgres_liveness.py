"""Whether processes live, on PostgreSQL: by advisory locks of their sessions.

The server releases such a lock when the connection ends, milliseconds after a kill. When the server
itself was restarted, all locks are gone and say nothing: until each runner has taken its lock
again, its lease counts.
"""

from __future__ import annotations

from threading import Lock
from uuid import UUID

from pegboard.errors import UnavailableError
from pegboard_database.postgres import Connection, LostConnectionError, connected
from pegboard_jobs._record import now
from pegboard_jobs._runner_table import Runner

__all__ = ["PostgresLiveness"]

CLASS = 0x70656762  # first half of the key of all these locks

HELD = (
    "SELECT objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND classid = %s"
    " AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


class PostgresLiveness:
    """Locks of a server.

    Args:
        url: URL of the database; the connection must be its own, not one of a transaction pool.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = Lock()
        self._connection: Connection | None = None
        self._held: set[UUID] = set()
        self._epoch: str | None = None

    def hold(self, uuid: UUID) -> None:
        """Hold the lock of a runner; see `Liveness.hold`."""
        with self._lock:
            self._held.add(uuid)
            self._lock_on(self._connected(), uuid)

    def release(self) -> None:
        """Release the lock: the session that holds it ends."""
        self.close()

    def epoch(self) -> str:
        """Return when the server was started: older locks are gone; see `Liveness.epoch`."""
        with self._lock:
            connection = self._connected()
            try:
                connection.execute("SELECT 1")
            except LostConnectionError:
                connection = self._connected()
            return self._epoch or ""

    def dead(self, runners: list[Runner]) -> list[Runner]:
        """Return those that do not live any more; see `Liveness.dead`."""
        with self._lock:
            connection = self._connected()
            try:
                rows = connection.execute(HELD, (CLASS,)).fetchall()
            except LostConnectionError as error:
                msg = "the server of jobs does not answer"
                raise UnavailableError(msg, retry_after=1.0) from error
        held, time = {row[0] for row in rows}, now()
        return [
            runner
            for runner in runners
            if _key(runner.uuid) not in held
            and (runner.epoch == self._epoch or runner.lease <= time)
        ]

    def forget(self, runner: Runner) -> None:
        """Do nothing: the server has nothing left of a dead runner."""

    def close(self) -> None:
        """Release everything."""
        with self._lock:
            self._held.clear()
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _connected(self) -> Connection:
        """Return the session that holds our locks, opened anew if it has broken."""
        if self._connection is not None and not self._connection.broken:
            return self._connection
        self._connection = connected(self._url, autocommit=True)
        row = self._connection.execute("SELECT pg_postmaster_start_time()::text").fetchone()
        self._epoch = None if row is None else str(row[0])
        for uuid in self._held:
            self._lock_on(self._connection, uuid)
        return self._connection

    @staticmethod
    def _lock_on(connection: Connection, uuid: UUID) -> None:
        # shared: the same session may ask twice after a reconnect
        sql = "SELECT pg_try_advisory_lock_shared(%s, %s)"
        connection.execute(sql, (CLASS, _signed(_key(uuid))))


def _key(uuid: UUID) -> int:
    """Return the second half of a key, as pg_locks shows it."""
    return int.from_bytes(uuid.bytes[-4:])


def _signed(key: int) -> int:
    return key - (1 << 32) if key >= 1 << 31 else key

"""A database file, shared by threads, tasks and processes."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock, Thread
from typing import Self, TypeVar

import msgspec
from anyio import to_thread

from pegboard_database._engine import Engine, borrow, give_back
from pegboard_database._error import ClosedError, CorruptError
from pegboard_database._loop import reader_limiter
from pegboard_database._schema import Schema
from pegboard_database._sqlite import Durability
from pegboard_database._statement import Snapshot, Transaction

__all__ = ["Database", "Statistics"]

T = TypeVar("T")


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """What the writer of this process has done for a file.

    Attributes:
        writes: Pieces of work that were committed.
        commits: Commits that it took.
        waiting: Pieces of work that wait now.
    """

    writes: int
    commits: int
    waiting: int


class Database:
    """A SQLite file with one writer per process, which commits many pieces of work at once.

    All handles of a file in one process share that writer. Other processes may use the file as
    well. The handle may be used from any thread and any event loop. After a fork the child opens
    connections of its own; writes that waited stay with the parent.

    Args:
        path: The file; it and its folder are made, for their owner only, where they are missing.
        schemas: The tables; steps that the file has not seen run now.
        durability: `full` keeps each commit through a loss of power, `normal` through a crash of
            the process; neither ever leaves a damaged file.
        wait: Seconds to wait for locks of other processes, for room in the queue, or for a reader.
        queue: Writes that wait at once; more make their callers wait.

    Raises:
        ConfigError: If the file was written by a newer version of the code.
        ClosedError: If the file cannot be made or opened.
        CorruptError: If the file is damaged or no database.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *schemas: Schema,
        durability: Durability = "full",
        wait: float = 5.0,
        queue: int = 10_000,
    ) -> None:
        self.path = Path(path).absolute()
        self._schemas = schemas
        self._durability: Durability = durability
        self._wait = wait
        self._queue = queue
        self._opening = Lock()
        self._is_closed = False
        self._engine: Engine | None = None
        self._release: weakref.finalize[..., Database] | None = None
        self._open()
        _handles.add(self)

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a transaction and return its result once it is committed.

        Work runs in the writer's thread, and others wait for it: it does its statements, without
        other input or output. What it raises undoes its own changes.

        Raises:
            BusyError: If other processes held the lock, or the queue was full, for `wait` seconds.
            FullError: If the disk is full.
            ClosedError: If the database is closed.
            RuntimeError: Inside the work of another write, which would wait for itself.
        """
        return self._current.writer.write(work)

    async def awrite(self, work: Callable[[Transaction], T]) -> T:
        """Run `work` in a transaction and return its result once it is committed; see `write`.

        Cancelled before the writer has begun with it, the work never runs. Later than that it is
        finished and committed before the cancellation goes on.

        Raises:
            BusyError: If other processes held the lock, or the queue was full, for `wait` seconds.
            FullError: If the disk is full.
            ClosedError: If the database is closed.
        """
        return await self._current.writer.awrite(work)

    def read(self, work: Callable[[Snapshot], T]) -> T:
        """Run `work` on one state of the database, beside all writers, and return its result.

        Raises:
            BusyError: If no connection was free for `wait` seconds.
            ClosedError: If the database is closed.
        """
        return self._current.readers.read(work)

    async def aread(self, work: Callable[[Snapshot], T]) -> T:
        """Run `work` on one state of the database, in a worker thread; see `read`.

        A cancellation waits for the work to end.

        Raises:
            BusyError: If no connection was free for `wait` seconds.
            ClosedError: If the database is closed.
        """
        return await to_thread.run_sync(self.read, work, limiter=reader_limiter())

    def check(self) -> Sequence[str]:
        """Look through the whole file and return what is damaged; takes a while.

        Raises:
            ClosedError: If the database is closed.
        """
        try:
            rows = self.read(lambda snapshot: snapshot.all("pragma integrity_check"))
        except CorruptError as error:
            return [str(error)]
        return [str(row[0]) for row in rows if row[0] != "ok"]

    def statistics(self) -> Statistics:
        """Return what the writer has done since it was opened."""
        writer = self._current.writer
        return Statistics(writes=writer.writes, commits=writer.commits, waiting=len(writer.queue))

    def waiting(self) -> int:
        """Return how many pieces of work wait to be written."""
        return len(self._current.writer.queue)

    def close(self) -> None:
        """Finish what waits and close the file; calling it again does nothing."""
        with self._opening:
            self._is_closed = True
            if self._release is not None:
                self._release.detach()
            if self._engine is not None:
                give_back(self._engine)
            self._engine = self._release = None

    async def aclose(self) -> None:
        """Finish what waits and close the file, in a worker thread."""
        await to_thread.run_sync(self.close)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    @property
    def _current(self) -> Engine:
        return self._engine or self._open()

    def _open(self) -> Engine:
        with self._opening:
            if self._is_closed:
                msg = f"database {self.path.name} is closed"
                raise ClosedError(msg)
            if self._engine is None:
                self._engine = self._migrated()
                self._release = weakref.finalize(self, _abandon, self._engine)
                self._release.atexit = False  # what was acknowledged is on the disk
            return self._engine

    def _migrated(self) -> Engine:
        engine = borrow(self.path, durability=self._durability, wait=self._wait, limit=self._queue)
        try:
            for schema in self._schemas:
                if not engine.readers.read(schema.is_current):
                    engine.writer.write(schema.migrate)
        except BaseException:
            give_back(engine)
            raise
        return engine

    def _forget(self) -> None:
        """In a forked child: open the file anew at its next use."""
        if self._release is not None:
            self._release.detach()
        self._engine = self._release = None
        self._opening = Lock()


def _abandon(engine: Engine) -> None:
    """Give back the engine of a handle that nobody closed; not here, where garbage is collected."""
    Thread(target=give_back, args=(engine,), name="database closing", daemon=True).start()


_handles: weakref.WeakSet[Database] = weakref.WeakSet()


def _forget_all() -> None:
    for handle in list(_handles):
        handle._forget()  # noqa: SLF001 - its own class


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)

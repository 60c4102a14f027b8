"""The job store: transactions of the tables, as tasks and threads ask for them."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import datetime
from typing import Concatenate, ParamSpec, TypeVar
from uuid import UUID

from pegboard.contracts.job import (
    JobDraft,
    JobEvent,
    JobFailure,
    JobProgress,
    JobQuery,
    JobStatus,
)
from pegboard.errors import NotFoundError
from pegboard_database import Changes, Records, Rows
from pegboard_jobs import _event_table, _job_query, _job_table
from pegboard_jobs._new_job import create
from pegboard_jobs._record import Job, seconds
from pegboard_jobs._watch import Watch

__all__ = ["RecordStore", "this_process"]

P = ParamSpec("P")
T = TypeVar("T")

HOST = socket.gethostname()
PAGE = 500  # events that a follower reads at once


def this_process() -> tuple[int, str]:
    """Return what jobs call this process: its id, and the machine."""
    return (os.getpid(), HOST)


class RecordStore:
    """Keeps jobs in a database; implements `JobStore`.

    Args:
        database: Where; closed with the store.
    """

    def __init__(self, database: Records) -> None:
        self.database = database
        self.watch = Watch(lambda: database.read(_event_table.last))

    # -- for the rest of this package --------------------------------------------------------

    async def write(
        self, work: Callable[Concatenate[Changes, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a function of the tables in a transaction that writes."""
        answer = await self.database.awrite(lambda changes: work(changes, *args, **kwargs))
        self.watch.poke()
        return answer

    async def read(
        self, work: Callable[Concatenate[Rows, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run a function of the tables that only reads."""
        return await self.database.aread(lambda rows: work(rows, *args, **kwargs))

    def write_blocking(
        self, work: Callable[Concatenate[Changes, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Do what `write` does, from a thread that may block."""
        answer = self.database.write(lambda changes: work(changes, *args, **kwargs))
        self.watch.poke()
        return answer

    def read_blocking(
        self, work: Callable[Concatenate[Rows, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Do what `read` does, from a thread that may block."""
        return self.database.read(lambda rows: work(rows, *args, **kwargs))

    def close(self) -> None:
        """Wake who follows and close the database; blocks."""
        self.watch.close()
        self.database.close()

    # -- JobStore ----------------------------------------------------------------------------

    async def create(self, draft: JobDraft) -> Job:
        """Add a job; see `JobStore.create`."""
        process = this_process() if draft.status.is_active else None
        return await self.write(create, draft, process)

    async def get(self, uuid: UUID) -> Job:
        """Return a job; see `JobStore.get`."""
        return await self.read(_job_table.get, uuid)

    async def list(self, query: JobQuery) -> Sequence[Job]:
        """Return jobs, the newest first; see `JobStore.list`."""
        return await self.read(_job_query.find, query)

    async def set_status(
        self,
        uuid: UUID,
        status: JobStatus,
        *,
        fence: int | None = None,
        failure: JobFailure | None = None,
        finish_time: datetime | None = None,
    ) -> Job:
        """Change the status; see `JobStore.set_status`."""
        return await self.write(
            _job_table.set_status,
            uuid,
            status,
            fence=fence,
            failure=failure,
            finish_time=seconds(finish_time),
        )

    async def take(self, uuid: UUID, runner: UUID) -> Job:
        """Take a job over; see `JobStore.take`."""
        return await self.write(_job_table.take, uuid, runner, this_process())

    async def report(
        self,
        uuid: UUID,
        *,
        fence: int | None = None,
        progress: JobProgress | None = None,
        log: Sequence[str] = (),
    ) -> None:
        """Note progress and log lines; see `JobStore.report`."""
        await self.write(_job_table.report, uuid, fence=fence, progress=progress, log=log)

    async def events(
        self,
        after: int = 0,
        *,
        job: UUID | None = None,
        project: UUID | None = None,
        limit: int = PAGE,
    ) -> Sequence[JobEvent]:
        """Return events; see `JobStore.events`."""
        found, _ = await self.read(_page, after, job, project, limit)
        return found

    async def follow(
        self, after: int = 0, *, job: UUID | None = None, project: UUID | None = None
    ) -> AsyncGenerator[JobEvent, None]:
        """Yield events, those that are there and then live ones; see `JobStore.follow`."""
        seen = after
        while True:
            found, last = await self.read(_page, seen, job, project, PAGE)
            for event in found:
                yield event
            seen = found[-1].seq if len(found) == PAGE else max(seen, last)
            if len(found) < PAGE and not await self.watch.wait(seen):
                return

    async def counts(self, project: UUID | None = None) -> dict[JobStatus, int]:
        """Return how many jobs have each status; see `JobStore.counts`."""
        return await self.read(_job_query.counts, project)


def _page(
    rows: Rows, after: int, job: UUID | None, project: UUID | None, limit: int
) -> tuple[list[JobEvent], int]:
    """Return a page of events, and the last number there was when it was read.

    Raises:
        NotFoundError: If there is no such job.
    """
    last = _event_table.last(rows)
    place = None
    if job is not None:
        place = _event_table.nested(rows, job)
        if place is None:
            msg = f"there is no job {job}"
            raise NotFoundError(msg)
    return _event_table.read(rows, after, place=place, project=project, limit=limit), last

"""Tracking in the store of another plugin, by its contract alone."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from anyio import from_thread

from pegboard.contracts.job import JobDraft, JobRecord, JobStore
from pegboard.errors import ConfigError, UnavailableError
from pegboard_jobs import _job_table
from pegboard_jobs._cancellations import Cancellations
from pegboard_jobs._end import End
from pegboard_jobs._identity import new_uuid
from pegboard_jobs._later_progress import LaterProgress
from pegboard_jobs._record import Job, unnumbered

__all__ = ["GuestBooks"]

_logger = logging.getLogger("pegboard.jobs")


class GuestBooks:
    """Records blocks in a store of which only the contract is known.

    It keeps statuses, progress and log lines. While the store is away, blocks go on: a beginning
    that it was not told is made up for at the end, an end that it was not told is logged.

    Args:
        store: The store.
    """

    def __init__(self, store: JobStore) -> None:
        self.store = store
        self.name = new_uuid().hex[:16]
        self.cancels = Cancellations()
        self.later_progress = LaterProgress()

    async def begin(self, draft: JobDraft, look: Any = None) -> Job:
        """Make a job that runs now; see `Books.begin`."""
        del look  # there is no transaction to look into
        draft = msgspec.structs.replace(draft, uuid=draft.uuid or new_uuid())
        try:
            return _job(await self.store.create(draft))
        except UnavailableError as error:
            _logger.warning("job %r is recorded at its end: %s", draft.task_name, error)
            return unnumbered(draft)

    def begin_blocking(self, draft: JobDraft) -> Job:
        """Do what `begin` does, from a worker thread of the app."""
        return from_thread.run(self.begin, draft)

    async def note(self, work: Any, job: UUID, /, *args: Any, **kwargs: Any) -> None:
        """Record progress and log lines; see `Books.note`.

        Raises:
            ConfigError: If it is anything else.
        """
        if work is not _job_table.report:
            await self.write(work, job, *args, **kwargs)
        try:
            await self.store.report(job, *args, **kwargs)
        except UnavailableError as error:
            _logger.warning("what job %s says is lost: %s", job, error)

    async def write(self, work: Any, job: UUID, /, *args: Any, **kwargs: Any) -> Any:
        """Refuse: values and files are no part of the contract.

        Raises:
            ConfigError: Always.
        """
        del work, args, kwargs
        msg = (
            f"job {job} is kept in a {type(self.store).__name__}, which keeps no values and files:"
            " track it in a project of the plugin jobs"
        )
        raise ConfigError(msg)

    async def end(self, end: End) -> Job | None:
        """Record an end; see `Books.end`."""
        try:
            if not end.job.number:
                await self.store.create(_draft(end.job))
            if end.progress is not None:
                await self.store.report(end.job.uuid, fence=end.job.fence, progress=end.progress)
            finish_time = datetime.fromtimestamp(end.time, UTC)
            ended = await self.store.set_status(
                end.job.uuid,
                end.status,
                fence=end.job.fence or None,
                failure=end.failure,
                finish_time=finish_time,
            )
        except UnavailableError as error:
            self._lose(end, error)
            return None
        return _job(ended)

    def end_blocking(self, end: End) -> Job | None:
        """Do what `end` does, from a worker thread of the app."""
        return from_thread.run(self.end, end)

    def end_later(self, end: End) -> None:
        """Log an end that the store did not take in time."""
        self._lose(end, UnavailableError("it did not answer in time"))

    @staticmethod
    def _lose(end: End, error: UnavailableError) -> None:
        _logger.error("the end of job %s as %s is lost: %s", end.job.uuid, end.status.name, error)


def _job(record: JobRecord) -> Job:
    return Job(**{name: getattr(record, name) for name in record.__struct_fields__})


def _draft(job: Job) -> JobDraft:
    return JobDraft(
        project=job.project,
        task_name=job.task_name,
        title=job.title,
        parent=job.parent,
        status=job.status,
        kind=job.kind,
        uuid=job.uuid,
        owner=job.owner,
    )

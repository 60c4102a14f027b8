"""How a tracked block has ended, and the piece of work that records it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pegboard.contracts.job import JobFailure, JobProgress, JobStatus
from pegboard_database import Changes
from pegboard_jobs import _job_table
from pegboard_jobs._record import Job

__all__ = ["End"]


@dataclass(frozen=True, kw_only=True)
class End:
    """An end; called with a transaction, it is recorded there.

    Attributes:
        job: The job, as the block knows it.
        status: How it ended.
        failure: Why it did not succeed.
        time: When, in seconds.
        progress: What it said last about how far it was, if that is not recorded yet.
        work: Records it in place of the usual way.
    """

    job: Job
    status: JobStatus
    failure: JobFailure | None
    time: float
    progress: JobProgress | None = None
    work: Callable[[Changes], Job] | None = None

    def __call__(self, changes: Changes) -> Job:
        """Record it.

        Raises:
            NotFoundError: If there is no such job.
            ConflictError: If somebody has taken it over, or it has ended already.
        """
        if self.progress is not None:
            fence = self.job.fence
            _job_table.report(changes, self.job.uuid, fence=fence, progress=self.progress)
        if self.work is not None:
            return self.work(changes)
        return _job_table.end(
            changes, self.job, self.status, failure=self.failure, finish_time=self.time
        )

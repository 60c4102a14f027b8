"""Runners: the processes that work on jobs, and what becomes of the jobs of a dead one."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from pegboard.contracts.job import JobFailure, JobStatus, RetryPolicy
from pegboard_database import Changes, Rows
from pegboard_jobs._backoff import has_next
from pegboard_jobs._job_table import set_status
from pegboard_jobs._record import COLUMNS, Job, job_of, now

__all__ = ["Runner", "add", "every", "reclaim", "remove", "renew"]

_COLUMNS = "uuid, host, process_id, name, epoch, start_time, lease"


class Runner(msgspec.Struct, frozen=True, kw_only=True):
    """A process that works on jobs.

    Attributes:
        uuid: Its identity, never used again.
        host: The machine that it runs on.
        process_id: Its process.
        name: What people call it.
        epoch: What its lock is good for: see `Liveness`.
        start_time: When it began, in seconds.
        lease: Until when it counts as alive where nobody can see its lock, in seconds.
    """

    uuid: UUID
    host: str
    process_id: int
    name: str
    epoch: str
    start_time: float
    lease: float

    @property
    def process(self) -> tuple[int, str]:
        """Process id and host, as jobs name it."""
        return (self.process_id, self.host)


def add(changes: Changes, runner: Runner) -> None:
    """Make a runner known; its lock is held already."""
    changes.execute(
        f"INSERT INTO runner ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (uuid) DO UPDATE SET epoch = excluded.epoch, lease = excluded.lease",
        str(runner.uuid),
        *msgspec.structs.astuple(runner)[1:],
    )


def renew(changes: Changes, uuid: UUID, lease: float) -> bool:
    """Let a runner count as alive for longer; False if it was given up already."""
    return bool(changes.execute("UPDATE runner SET lease = ? WHERE uuid = ?", lease, str(uuid)))


def every(rows: Rows) -> list[Runner]:
    """Return all runners, the oldest first."""
    sql = f"SELECT {_COLUMNS} FROM runner ORDER BY start_time"
    return [_runner(row) for row in rows.all(sql)]


def remove(changes: Changes, uuid: UUID) -> None:
    """Forget a runner that has ended."""
    changes.execute("DELETE FROM runner WHERE uuid = ?", str(uuid))


def reclaim(
    changes: Changes, uuid: UUID, failure: JobFailure, *, is_orderly: bool = False
) -> list[Job]:
    """Take its jobs from a runner that is gone, and return them.

    A durable one that may be tried again is queued, any other is interrupted. Their fences grow,
    so that the runner changes nothing any more if it was not gone after all. What a runner gives
    up in order was no attempt.
    """
    sql = f"SELECT {COLUMNS} FROM job WHERE runner = ? AND status = 3 ORDER BY ordinal"
    jobs = [job_of(row) for row in changes.all(sql, str(uuid))]
    ended = [_give_up(changes, job, failure, is_orderly=is_orderly) for job in jobs]
    remove(changes, uuid)
    return ended


def _give_up(changes: Changes, job: Job, failure: JobFailure, *, is_orderly: bool) -> Job:
    attempt = job.attempt - (is_orderly and job.order is not None)
    sql = "UPDATE job SET fence = fence + 1, attempt = ? WHERE uuid = ?"
    changes.execute(sql, attempt, str(job.uuid))
    policy = job.order.retry if job.order else RetryPolicy(attempts=0)
    if has_next(policy, attempt) and not job.cancelling:
        return set_status(changes, job.uuid, JobStatus.QUEUED, failure=failure, run_at=now())
    return set_status(changes, job.uuid, JobStatus.INTERRUPTED, failure=failure)


def _runner(row: tuple[Any, ...]) -> Runner:
    return Runner(
        uuid=UUID(row[0]),
        host=row[1],
        process_id=row[2],
        name=row[3],
        epoch=row[4],
        start_time=row[5],
        lease=row[6],
    )

"""Jobs in their table: found by their identity, moved along the table of statuses.

Each function is one transaction's work. Writers take turns, so that what was read is still true
when it is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from pegboard.contracts.job import JobFailure, JobProgress, JobStatus
from pegboard.errors import ConflictError, NotFoundError
from pegboard_database import Changes, Rows
from pegboard_jobs import _event_table
from pegboard_jobs._record import COLUMNS, Job, encoded, job_of, moment, now
from pegboard_jobs._text import clean

__all__ = [
    "StaleError",
    "abandon",
    "check_fence",
    "edit",
    "end",
    "get",
    "moved",
    "report",
    "set_status",
    "take",
]

MOST_LOG_LINE = 65_536

_BY_UUID = f"SELECT {COLUMNS} FROM job WHERE uuid = ?"
_END = (
    "UPDATE job SET status = ?, finish_time = ?, failure = ?, result = ?"
    " WHERE uuid = ? AND fence = ? AND status = ?"
)


NEVER_ENTERED = JobFailure(reason="cancelled", message="it was cancelled before it began")


class StaleError(ConflictError):
    """Somebody else has taken the job over: what this process says about it counts no more."""


def get(rows: Rows, uuid: UUID | str) -> Job:
    """Return a job.

    Raises:
        NotFoundError: If there is no such job.
    """
    row = rows.first(_BY_UUID, str(uuid))
    if row is None:
        msg = f"there is no job {uuid}"
        raise NotFoundError(msg)
    return job_of(row)


def set_status(
    changes: Changes,
    uuid: UUID,
    status: JobStatus,
    *,
    fence: int | None = None,
    failure: JobFailure | None = None,
    finish_time: float | None = None,
    result: Any = None,
    run_at: float | None = None,
) -> Job:
    """Move a job along the table of statuses.

    Args:
        changes: The transaction.
        uuid: The job.
        status: Its new status.
        fence: The fence that the caller believes in.
        failure: Why it did not succeed.
        finish_time: When it ended.
        result: What it answered.
        run_at: When the next attempt of a queued one is due.

    Raises:
        NotFoundError: If there is no such job.
        StaleError: If the fence is old.
        ConflictError: If this status may not follow the present one.
    """
    job = get(changes, uuid)
    check_fence(job, fence)
    if status is job.status:
        return job
    if status not in job.status.follows:
        msg = f"job {job.number} is {job.status.name}: it cannot become {status.name}"
        raise ConflictError(msg)
    time = now()
    finished = (finish_time or time) if status.is_terminal else None
    queued = status is JobStatus.QUEUED
    row = changes.first(
        "UPDATE job SET status = ?, finish_time = ?, failure = ?, result = ?,"
        " start_time = CASE WHEN ? = 1 THEN COALESCE(start_time, ?) ELSE start_time END,"
        " run_at = CASE WHEN ? = 1 THEN ? ELSE run_at END, ready = ?,"
        " cancelling = CASE WHEN ? = 1 THEN 0 ELSE cancelling END"
        f" WHERE uuid = ? RETURNING {COLUMNS}",
        int(status),
        finished,
        encoded(failure),
        encoded(result),
        int(status.is_active),
        time,
        int(queued),
        run_at or time,
        int(run_at is None or run_at <= time),
        int(queued),
        str(uuid),
    )
    return _changed(changes, job, row, time)


def end(
    changes: Changes,
    job: Job,
    status: JobStatus,
    *,
    failure: JobFailure | None = None,
    finish_time: float | None = None,
    result: Any = None,
) -> Job:
    """Record the end of a job that the caller works on; one statement finds, checks and changes it.

    Where the row is no longer what the caller knows, `set_status` decides.

    Raises:
        NotFoundError: If there is no such job.
        StaleError: If somebody has taken it over.
        ConflictError: If this status may not follow the present one.
    """
    time = now()
    finished, uuid = finish_time or time, str(job.uuid)
    is_expected = status.is_terminal and status in job.status.follows
    kept = (int(status), finished, encoded(failure), encoded(result))
    if not is_expected or not changes.execute(_END, *kept, uuid, job.fence, int(job.status)):
        return set_status(
            changes,
            job.uuid,
            status,
            fence=job.fence,
            failure=failure,
            finish_time=finish_time,
            result=result,
        )
    ended = msgspec.structs.replace(
        job, status=status, finish_time=moment(finished), failure=failure, result=result
    )
    _tell(changes, job.status, ended, time)
    return ended


def take(changes: Changes, uuid: UUID, runner: UUID, process: tuple[int, str]) -> Job:
    """Let a runner work on a job: RUNNING, with a fence that nobody has seen.

    Raises:
        NotFoundError: If there is no such job.
        ConflictError: If it may not run now.
    """
    job = get(changes, uuid)
    if job.status is not JobStatus.RUNNING and JobStatus.RUNNING not in job.status.follows:
        msg = f"job {job.number} is {job.status.name}: nobody can work on it"
        raise ConflictError(msg)
    time = now()
    row = changes.first(
        "UPDATE job SET status = 3, runner = ?, process_id = ?, host = ?, fence = fence + 1,"
        " attempt = attempt + 1, start_time = ?, finish_time = NULL, failure = NULL"
        f" WHERE uuid = ? RETURNING {COLUMNS}",
        str(runner),
        *process,
        time,
        str(uuid),
    )
    return _changed(changes, job, row, time)


def _changed(changes: Changes, before: Job, row: tuple[Any, ...] | None, time: float) -> Job:
    if row is None:
        msg = f"there is no job {before.uuid}"
        raise NotFoundError(msg)
    job = job_of(row)
    _tell(changes, before.status, job, time)
    return job


def _tell(changes: Changes, before: JobStatus, job: Job, time: float) -> None:
    """Count a change of status, and note it in the log."""
    project = str(job.project)
    if job.status is not before:
        moved(changes, project, before, job.status)
    said: dict[str, Any] = {"status": job.status, "before": before, "fence": job.fence}
    if job.failure is not None:
        why = job.failure
        said["failure"] = {"reason": why.reason, "type": why.type, "message": why.message}
    _event_table.note(changes, (project, str(job.uuid), job.number), "status", said, time=time)


def abandon(changes: Changes, uuid: UUID, runner: UUID | None) -> None:
    """End a job whose block was never entered, if it was made at all and nobody else has it."""
    sql = "SELECT 1 FROM job WHERE uuid = ? AND runner = ? AND status = 3"
    if changes.value(sql, str(uuid), str(runner)) is not None:
        set_status(changes, uuid, JobStatus.INTERRUPTED, failure=NEVER_ENTERED)


def check_fence(job: Job, fence: int | None) -> None:
    """Refuse somebody whose job was taken over.

    Raises:
        StaleError: If the fence is old.
    """
    if fence is not None and fence != job.fence:
        msg = f"job {job.number} was taken over (fence {job.fence}, not {fence}): give it up"
        raise StaleError(msg)


def report(
    changes: Changes,
    uuid: UUID,
    *,
    fence: int | None = None,
    progress: JobProgress | None = None,
    log: Sequence[str] = (),
) -> None:
    """Note progress and log lines.

    Raises:
        NotFoundError: If there is no such job.
        StaleError: If the fence is old.
    """
    job = get(changes, uuid)
    check_fence(job, fence)
    place, time = (str(job.project), str(uuid), job.number), now()
    if progress is not None:
        progress = msgspec.structs.replace(progress, message=clean(progress.message))
        sql = "UPDATE job SET progress = ? WHERE uuid = ?"
        changes.execute(sql, encoded(progress), str(uuid))
        said = msgspec.structs.asdict(progress)
        _event_table.note(changes, place, "progress", said, time=time)
    for line in log:
        said = {"line": clean(line)[:MOST_LOG_LINE]}
        _event_table.note(changes, place, "log", said, time=time)


def edit(changes: Changes, /, uuid: UUID, **columns: Any) -> Job:
    """Change what people say about a job: title, comments, evaluation, cancelling.

    Raises:
        NotFoundError: If there is no such job.
    """
    pairs = ", ".join(f"{name} = ?" for name in columns)
    sql = f"UPDATE job SET {pairs} WHERE uuid = ? RETURNING {COLUMNS}"
    row = changes.first(sql, *columns.values(), str(uuid))
    if row is None:
        msg = f"there is no job {uuid}"
        raise NotFoundError(msg)
    return job_of(row)


def moved(
    changes: Changes, project: str, before: JobStatus | None, after: JobStatus | None
) -> None:
    """Count a job out of one status and into another; None for a job that is new, or gone."""
    steps = [
        (int(status), step) for status, step in ((before, -1), (after, 1)) if status is not None
    ]
    changes.execute(
        f"INSERT INTO tally (project, status, jobs) VALUES {', '.join(['(?, ?, ?)'] * len(steps))}"
        " ON CONFLICT (project, status) DO UPDATE SET jobs = tally.jobs + excluded.jobs",
        *(value for status, step in steps for value in (project, status, step)),
    )

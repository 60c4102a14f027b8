"""New jobs: numbered without gaps in the transaction that makes them.

The number is a counter on the parent's row, or the project's, so that the ten-thousandth job costs
what the first did.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pegboard.contracts.job import JobDraft, JobStatus
from pegboard.errors import ConflictError, InputError, NotFoundError
from pegboard_database import Changes
from pegboard_jobs import _event_table
from pegboard_jobs._identity import new_uuid
from pegboard_jobs._job_table import moved
from pegboard_jobs._number import child_number, parsed
from pegboard_jobs._project_table import ensure
from pegboard_jobs._record import COLUMNS, Job, encoded, job_of, now, seconds
from pegboard_jobs._text import clean

__all__ = ["create"]

LONGEST_TITLE = 1000

_START = {
    JobStatus.UNKNOWN,
    JobStatus.PENDING,
    JobStatus.QUEUED,
    JobStatus.RUNNING,
    JobStatus.RUNNING_REMOTELY,
    JobStatus.FILE_HOLDER,
}
_INSERT = (
    "INSERT INTO job (uuid, project, parent, number, task_name, title, status, kind, ordinal,"
    " creation_time, start_time, finish_time, runner, process_id, host, fence, attempt, owner,"
    " orders, run_at, ready, queue, priority, deadline, idempotency_key)"
    f" VALUES ({', '.join('?' * 25)})"
)


def create(
    changes: Changes,
    draft: JobDraft,
    process: tuple[int, str] | None = None,
    *,
    is_new: bool = False,
) -> Job:
    """Make a job, or return the one that this draft has made before.

    Args:
        changes: The transaction.
        draft: What to make.
        process: Process id and host of the draft's runner.
        is_new: Whether this draft was certainly never used before, which saves looking.

    Raises:
        InputError: If the draft cannot be kept.
        NotFoundError: If the parent is not a job of this project.
        ConflictError: If the number is taken.
    """
    if draft.status not in _START:
        msg = f"a job does not begin as {draft.status.name}"
        raise InputError(msg)
    known = None if is_new else _made_before(changes, draft)
    if known is not None:
        return known
    number = _number(changes, draft)
    time = now()
    job = _job(draft, number, _event_table.take_number(changes), time, process)
    project, uuid = str(job.project), str(job.uuid)
    changes.execute(_INSERT, *_values(job, uuid, project, time))
    for tag in dict.fromkeys(map(clean, draft.tags)):
        changes.execute("INSERT INTO tag (job, name) VALUES (?, ?)", uuid, tag)
    moved(changes, project, None, job.status)
    said = {"status": job.status, "title": job.title, "task_name": job.task_name}
    place = (project, uuid, number)
    _event_table.note(changes, place, "created", said, time=time, seq=job.ordinal)
    return job


def _made_before(changes: Changes, draft: JobDraft) -> Job | None:
    if draft.uuid is not None:
        row = changes.first(f"SELECT {COLUMNS} FROM job WHERE uuid = ?", str(draft.uuid))
        if row is not None:
            return job_of(row)
    key = draft.order.key if draft.order else None
    if key is None:
        return None
    sql = f"SELECT {COLUMNS} FROM job WHERE project = ? AND idempotency_key = ?"
    row = changes.first(sql, str(draft.project), key)
    return None if row is None else job_of(row)


def _number(changes: Changes, draft: JobDraft) -> str:
    if draft.number is not None:
        return _given_number(changes, draft, draft.number)
    if draft.parent is None:
        return child_number(None, ensure(changes, draft.project, jobs=1))
    sql = (
        "UPDATE job SET children = children + 1 WHERE uuid = ? AND project = ?"
        " RETURNING number, children"
    )
    found = changes.first(sql, str(draft.parent), str(draft.project))
    if found is None:
        raise _no_parent(draft)
    return child_number(*found)


def _given_number(changes: Changes, draft: JobDraft, number: str) -> str:
    """Take a number that somebody chose; those that come later go on after it."""
    above, place = parsed(number)
    project = str(draft.project)
    ensure(changes, draft.project)
    sql = "SELECT 1 FROM job WHERE project = ? AND number = ?"
    if changes.value(sql, project, number) is not None:
        msg = f"project {project} has a job {number} already; leave the number out"
        raise ConflictError(msg)
    if draft.parent is None:
        if above is not None:
            msg = f"job {number} is nested: name its parent"
            raise InputError(msg)
        sql = "UPDATE project SET last_job_number = ? WHERE uuid = ? AND last_job_number < ?"
        changes.execute(sql, place, project, place)
        return number
    sql = "SELECT number FROM job WHERE uuid = ? AND project = ?"
    parent = changes.value(sql, str(draft.parent), project)
    if parent is None:
        raise _no_parent(draft)
    if parent != above:
        msg = f"job {number} is not nested in job {parent}"
        raise InputError(msg)
    sql = "UPDATE job SET children = ? WHERE uuid = ? AND children < ?"
    changes.execute(sql, place, str(draft.parent), place)
    return number


def _no_parent(draft: JobDraft) -> NotFoundError:
    return NotFoundError(f"project {draft.project} has no job {draft.parent} to nest another in")


def _job(
    draft: JobDraft, number: str, seq: int, time: float, process: tuple[int, str] | None
) -> Job:
    """Return the record that a draft becomes."""
    runs, moment = draft.status.is_active, datetime.fromtimestamp(time, UTC)
    order = draft.order
    return Job(
        uuid=draft.uuid or new_uuid(),
        project=draft.project,
        number=number,
        parent=draft.parent,
        task_name=clean(draft.task_name),
        title=clean(draft.title or draft.task_name)[:LONGEST_TITLE],
        status=draft.status,
        kind=draft.kind,
        ordinal=seq,
        creation_time=moment,
        start_time=moment if runs else None,
        finish_time=moment if draft.status.is_terminal else None,
        runner=draft.runner,
        process_id=process[0] if process else None,
        host=process[1] if process else "",
        fence=1 if runs else 0,
        attempt=1 if runs else 0,
        owner=clean(draft.owner),
        order=order,
        run_at=None if order is None else (order.run_at or moment),
    )


def _values(job: Job, uuid: str, project: str, time: float) -> tuple[Any, ...]:
    """Return what `_INSERT` takes."""
    order = job.order
    due = None if order is None else (seconds(order.run_at) or time)
    return (
        uuid,
        project,
        None if job.parent is None else str(job.parent),
        job.number,
        job.task_name,
        job.title,
        int(job.status),
        job.kind,
        job.ordinal,
        time,
        None if job.start_time is None else time,
        None if job.finish_time is None else time,
        None if job.runner is None else str(job.runner),
        job.process_id,
        job.host,
        job.fence,
        job.attempt,
        job.owner,
        encoded(order),
        due,
        int(due is None or due <= time),
        "" if order is None else order.queue,
        0 if order is None else order.priority,
        None if order is None else seconds(order.deadline),
        None if order is None else order.key,
    )

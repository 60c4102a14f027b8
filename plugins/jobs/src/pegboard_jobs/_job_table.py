"""Jobs in their table: made, numbered, moved along the table of statuses.

Each function is one transaction's work. Writers take turns, so that what was read is still true
when it is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from pegboard.contracts.job import (
    JobDraft,
    JobFailure,
    JobProgress,
    JobQuery,
    JobStatus,
)
from pegboard.errors import ConflictError, InputError, NotFoundError
from pegboard_database import Changes, Rows
from pegboard_jobs import _event_table
from pegboard_jobs._identity import new_uuid
from pegboard_jobs._number import child_number, parsed
from pegboard_jobs._project_table import ensure
from pegboard_jobs._record import COLUMNS, Job, encoded, job_of, now, seconds

__all__ = [
    "StaleError",
    "by_number",
    "check_fence",
    "counts",
    "create",
    "delete",
    "edit",
    "find",
    "get",
    "report",
    "set_status",
    "take",
    "tally",
    "tree",
]

LONGEST_TITLE = 1000
MOST_LISTED = 10_000
MOST_LOG_LINE = 65_536

_BY_UUID = f"SELECT {COLUMNS} FROM job WHERE uuid = ?"
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
    " orders, run_at, queue, priority, deadline, idempotency_key)"
    f" VALUES ({', '.join('?' * 24)}) RETURNING {COLUMNS}"
)


class StaleError(ConflictError):
    """Somebody else has taken the job over: what this process says about it counts no more."""


def create(changes: Changes, draft: JobDraft, runner: tuple[int, str] | None = None) -> Job:
    """Make a job, or return the one that this draft has made before.

    Args:
        changes: The transaction.
        draft: What to make.
        runner: Process id and host of the draft's runner.

    Raises:
        InputError: If the draft cannot be kept.
        NotFoundError: If the parent is not a job of this project.
        ConflictError: If the number is taken.
    """
    if draft.status not in _START:
        msg = f"a job does not begin as {draft.status.name}"
        raise InputError(msg)
    known = _made_before(changes, draft)
    if known is not None:
        return known
    project = str(draft.project)
    number = _number(changes, draft)
    time = now()
    seq = _event_table.take_number(changes)
    row = changes.first(_INSERT, *_values(draft, number, seq, time, runner))
    if row is None:
        msg = f"job {number} was not made"
        raise ConflictError(msg)
    job = job_of(row)
    for tag in dict.fromkeys(draft.tags):
        changes.execute("INSERT INTO tag (job, name) VALUES (?, ?)", str(job.uuid), tag)
    tally(changes, project, job.status, 1)
    said = {"status": job.status, "title": job.title, "task_name": job.task_name}
    place = (project, str(job.uuid), number)
    _event_table.note(changes, place, "created", said, time=time, seq=seq)
    return job


def _made_before(changes: Changes, draft: JobDraft) -> Job | None:
    if draft.uuid is not None:
        row = changes.first(_BY_UUID, str(draft.uuid))
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


def _values(
    draft: JobDraft, number: str, seq: int, time: float, runner: tuple[int, str] | None
) -> tuple[Any, ...]:
    runs = draft.status.is_active
    order = draft.order
    return (
        str(draft.uuid or new_uuid()),
        str(draft.project),
        None if draft.parent is None else str(draft.parent),
        number,
        draft.task_name,
        (draft.title or draft.task_name)[:LONGEST_TITLE],
        int(draft.status),
        draft.kind,
        seq,
        time,
        time if runs else None,
        time if draft.status.is_terminal else None,
        None if draft.runner is None else str(draft.runner),
        runner[0] if runner else None,
        runner[1] if runner else "",
        1 if runs else 0,
        1 if runs else 0,
        draft.owner,
        encoded(order),
        None if order is None else (seconds(order.run_at) or time),
        "" if order is None else order.queue,
        0 if order is None else order.priority,
        None if order is None else seconds(order.deadline),
        None if order is None else order.key,
    )


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


def by_number(rows: Rows, project: UUID, number: str) -> Job:
    """Return the job of a number.

    Raises:
        NotFoundError: If there is no such job.
    """
    sql = f"SELECT {COLUMNS} FROM job WHERE project = ? AND number = ?"
    row = rows.first(sql, str(project), number)
    if row is None:
        msg = f"project {project} has no job {number}"
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
        " run_at = CASE WHEN ? = 1 THEN ? ELSE run_at END,"
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
        int(queued),
        str(uuid),
    )
    return _changed(changes, job, row, time)


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
    """Count and tell a change of status."""
    if row is None:
        msg = f"there is no job {before.uuid}"
        raise NotFoundError(msg)
    job = job_of(row)
    project = str(job.project)
    if job.status is not before.status:
        tally(changes, project, before.status, -1)
        tally(changes, project, job.status, 1)
    said: dict[str, Any] = {"status": job.status, "before": before.status, "fence": job.fence}
    if job.failure is not None:
        why = job.failure
        said["failure"] = {"reason": why.reason, "type": why.type, "message": why.message}
    _event_table.note(changes, (project, str(job.uuid), job.number), "status", said, time=time)
    return job


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
        sql = "UPDATE job SET progress = ? WHERE uuid = ?"
        changes.execute(sql, encoded(progress), str(uuid))
        said = msgspec.structs.asdict(progress)
        _event_table.note(changes, place, "progress", said, time=time)
    for line in log:
        _event_table.note(changes, place, "log", {"line": line[:MOST_LOG_LINE]}, time=time)


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


def find(rows: Rows, query: JobQuery) -> list[Job]:
    """Return the jobs that a query asks for, the newest first."""
    conditions, values = _conditions(rows, query)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    limit = min(max(query.limit, 0), MOST_LISTED)
    sql = f"SELECT {COLUMNS} FROM job{where} ORDER BY ordinal DESC LIMIT {limit:d}"
    return [job_of(row) for row in rows.all(sql, *values)]


def _conditions(rows: Rows, query: JobQuery) -> tuple[list[str], list[Any]]:
    parts: list[tuple[str, list[Any]]] = []
    for column in ("project", "parent", "kind", "task_name", "owner"):
        value = getattr(query, column)
        if value is not None:
            parts.append((f"{column} = ?", [str(value)]))
    if query.top:
        parts.append(("parent IS NULL", []))
    if query.root is not None:
        root = get(rows, query.root)
        nested = "project = ? AND (number = ? OR number LIKE ?)"
        parts.append((nested, [str(root.project), root.number, f"{root.number}.%"]))
    if query.statuses:
        marks = ", ".join("?" * len(query.statuses))
        parts.append((f"status IN ({marks})", [int(each) for each in query.statuses]))
    if query.tag is not None:
        parts.append(("uuid IN (SELECT job FROM tag WHERE name = ?)", [query.tag]))
    if query.text:
        pattern = f"%{_escaped(query.text.lower())}%"
        like = "(LOWER(title) LIKE ? ESCAPE '!' OR LOWER(task_name) LIKE ? ESCAPE '!')"
        parts.append((like, [pattern, pattern]))
    if query.before is not None:
        parts.append(("ordinal < ?", [query.before]))
    return [part for part, _ in parts], [value for _, values in parts for value in values]


def _escaped(text: str) -> str:
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")


def tree(rows: Rows, uuid: UUID) -> list[Job]:
    """Return a job and all that are nested in it, oldest first.

    Raises:
        NotFoundError: If there is no such job.
    """
    get(rows, uuid)
    sql = (
        "WITH RECURSIVE nested (uuid) AS (SELECT uuid FROM job WHERE uuid = ? UNION ALL"
        " SELECT job.uuid FROM job JOIN nested ON job.parent = nested.uuid)"
        f" SELECT {COLUMNS} FROM job WHERE uuid IN (SELECT uuid FROM nested) ORDER BY ordinal"
    )
    return [job_of(row) for row in rows.all(sql, str(uuid))]


def counts(rows: Rows, project: UUID | None) -> dict[JobStatus, int]:
    """Return how many jobs have each status, of a project or of all; no job is looked at."""
    where, values = ("", ()) if project is None else (" WHERE project = ?", (str(project),))
    sql = f"SELECT status, SUM(jobs) FROM tally{where} GROUP BY status ORDER BY status"
    return {JobStatus(status): int(jobs) for status, jobs in rows.all(sql, *values) if jobs}


def tally(changes: Changes, project: str, status: JobStatus, difference: int) -> None:
    """Count a job in or out."""
    changes.execute(
        "INSERT INTO tally (project, status, jobs) VALUES (?, ?, ?)"
        " ON CONFLICT (project, status) DO UPDATE SET jobs = tally.jobs + excluded.jobs",
        project,
        int(status),
        difference,
    )


def delete(changes: Changes, uuid: UUID) -> int:
    """Delete a job with all that is nested in it and return how many that were.

    Raises:
        NotFoundError: If there is no such job.
        ConflictError: If one of them has not ended.
    """
    jobs = tree(changes, uuid)
    busy = [job.number for job in jobs if job.status.is_active or job.status is JobStatus.QUEUED]
    if busy:
        msg = f"job {busy[0]} has not ended: cancel it before it is deleted"
        raise ConflictError(msg)
    time = now()
    for job in reversed(jobs):
        tally(changes, str(job.project), job.status, -1)
        changes.execute("DELETE FROM event WHERE job = ?", str(job.uuid))
        changes.execute("DELETE FROM job WHERE uuid = ?", str(job.uuid))
    top = jobs[0]
    place = (str(top.project), str(top.uuid), top.number)
    _event_table.note(changes, place, "deleted", {"jobs": len(jobs)}, time=time)
    return len(jobs)

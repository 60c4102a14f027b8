"""The queue of durable jobs: who runs what next, what is cancelled, what is tried again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from pegboard.contracts.job import JobDraft, JobFailure, JobOrder, JobStatus
from pegboard.errors import ConflictError
from pegboard_database import Changes, Rows
from pegboard_jobs import _event_table, _job_query, _job_table
from pegboard_jobs._backoff import delay_before, has_next
from pegboard_jobs._new_job import create
from pegboard_jobs._record import COLUMNS, Job, encoded, job_of, now
from pegboard_jobs._schedule import next_time

__all__ = [
    "Schedule",
    "asked_to_stop",
    "cancel",
    "claim",
    "fail",
    "is_due",
    "next_due",
    "put_back",
    "release_due",
    "remove_schedule",
    "retry",
    "save_schedule",
    "schedules",
]

CANCELLED = JobFailure(reason="cancelled", message="cancelled on request")
STOPPED = JobFailure(reason="exit", message="its process stopped before it was done")
EXPIRED = JobFailure(reason="deadline", message="its deadline passed before it was done")


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """What runs again and again.

    Attributes:
        name: Its name; no two have one name.
        project: The project of its jobs.
        cron: When, as five fields of cron.
        zone: The time zone that they are meant in.
        order: What runs.
        next_at: When it runs next.
    """

    name: str
    project: UUID
    cron: str
    zone: str
    order: JobOrder
    next_at: datetime


def claim(
    changes: Changes,
    runner: UUID,
    process: tuple[int, str],
    *,
    most: int,
    queues: Sequence[str] = (),
    can_run: Callable[[str], bool] = lambda _: True,
) -> tuple[list[Job], frozenset[str]]:
    """Take what is due, the most urgent first, up to the limits of its queues.

    Args:
        changes: The transaction.
        runner: Who will work on it.
        process: Process id and host of the runner.
        most: How many at most.
        queues: Only from these queues; from all if there is none.
        can_run: Whether the runner has an export; what it has not is left to others.

    Returns:
        The jobs, and the exports that other jobs wait for and that the runner has not.
    """
    taken: list[Job] = []
    full: set[str] = set()
    missing: set[str] = set()
    _make_ready(changes, now())
    while len(taken) < most:
        job = _next(changes, queues, full, missing)
        if job is None:
            break
        order = job.order or JobOrder(target=job.task_name)
        if not can_run(order.target):
            missing.add(order.target)
        elif order.deadline is not None and order.deadline.timestamp() <= now():
            _job_table.set_status(changes, job.uuid, JobStatus.FAILED, failure=EXPIRED)
        elif order.limit is not None and _working(changes, order.queue) >= order.limit:
            full.add(order.queue)
        else:
            taken.append(_job_table.take(changes, job.uuid, runner, process))
    return taken, frozenset(missing)


def _make_ready(changes: Changes, time: float) -> None:
    """Mark what has become due, so that taking it looks at nothing that has not."""
    sql = "UPDATE job SET ready = 1 WHERE status = 2 AND ready = 0 AND run_at <= ?"
    changes.execute(sql, time)


def _next(rows: Rows, queues: Sequence[str], full: set[str], missing: set[str]) -> Job | None:
    where = "status = 2 AND ready = 1 AND orders IS NOT NULL"
    outside = [("queue", sorted(full)), ("task_name", sorted(missing))]
    conditions: list[Any] = []
    if queues:
        where += f" AND queue IN ({', '.join('?' * len(queues))})"
        conditions += queues
    for column, names in outside:
        if names:
            where += f" AND {column} NOT IN ({', '.join('?' * len(names))})"
            conditions += names
    sql = f"SELECT {COLUMNS} FROM job WHERE {where} ORDER BY priority DESC, ordinal LIMIT 1"
    row = rows.first(sql, *conditions)
    return None if row is None else job_of(row)


def _working(rows: Rows, queue: str) -> int:
    number: int = rows.value("SELECT COUNT(*) FROM job WHERE status = 3 AND queue = ?", queue)
    return number


def is_due(rows: Rows, time: float) -> bool:
    """Whether a job or a schedule is due, whoever may take it."""
    asked = (
        ("SELECT 1 FROM job WHERE status = 2 AND ready = 1 AND orders IS NOT NULL LIMIT 1", ()),
        ("SELECT 1 FROM job WHERE status = 2 AND ready = 0 AND run_at <= ? LIMIT 1", (time,)),
        ("SELECT 1 FROM schedule WHERE next_at <= ? LIMIT 1", (time,)),
    )
    return any(rows.value(sql, *values) is not None for sql, values in asked)


def next_due(rows: Rows, time: float) -> float | None:
    """Return when the next job or schedule that is not due yet will be; None for never."""
    asked = (
        "SELECT MIN(run_at) FROM job WHERE status = 2 AND ready = 0 AND run_at > ?",
        "SELECT MIN(next_at) FROM schedule WHERE next_at > ?",
    )
    times = [rows.value(sql, time) for sql in asked]
    return min((each for each in times if each is not None), default=None)


def put_back(changes: Changes, uuid: UUID, fence: int) -> Job:
    """Let another process begin again with what this one could not end before it stopped.

    That was no attempt.

    Raises:
        StaleError: If the fence is old.
        NotFoundError: If there is no such job.
    """
    job = _job_table.get(changes, uuid)
    _job_table.check_fence(job, fence)
    changes.execute("UPDATE job SET attempt = attempt - 1 WHERE uuid = ?", str(uuid))
    return _job_table.set_status(changes, uuid, JobStatus.QUEUED, fence=fence, failure=STOPPED)


def fail(changes: Changes, uuid: UUID, fence: int, failure: JobFailure) -> Job:
    """Record that an attempt has failed: the job is tried again later, or has failed.

    Raises:
        StaleError: If the fence is old.
        NotFoundError: If there is no such job.
    """
    job = _job_table.get(changes, uuid)
    _job_table.check_fence(job, fence)
    order = job.order
    if order is None or not has_next(order.retry, job.attempt) or job.cancelling:
        return _job_table.set_status(changes, uuid, JobStatus.FAILED, failure=failure)
    due = now() + delay_before(order.retry, job.attempt)
    if order.deadline is not None and order.deadline.timestamp() <= due:
        return _job_table.set_status(changes, uuid, JobStatus.FAILED, failure=failure)
    return _job_table.set_status(changes, uuid, JobStatus.QUEUED, failure=failure, run_at=due)


def cancel(changes: Changes, uuid: UUID) -> Job:
    """Ask a job and what is nested in it to stop; what nobody works on stops here.

    Raises:
        NotFoundError: If there is no such job.
    """
    for job in reversed(_job_query.tree(changes, uuid)):
        if job.status.is_active and not job.cancelling:
            changes.execute("UPDATE job SET cancelling = 1 WHERE uuid = ?", str(job.uuid))
            place = (str(job.project), str(job.uuid), job.number)
            said = {"status": job.status, "before": job.status, "cancelling": True}
            _event_table.note(changes, place, "status", said, time=now())
        elif job.status in {JobStatus.QUEUED, JobStatus.PENDING}:
            _job_table.set_status(changes, job.uuid, JobStatus.INTERRUPTED, failure=CANCELLED)
    return _job_table.get(changes, uuid)


def asked_to_stop(rows: Rows, runner: UUID) -> list[UUID]:
    """Return the jobs of a runner that were asked to stop."""
    sql = "SELECT uuid FROM job WHERE runner = ? AND status = 3 AND cancelling = 1"
    return [UUID(row[0]) for row in rows.all(sql, str(runner))]


def retry(changes: Changes, uuid: UUID) -> Job:
    """Queue a durable job again that has ended without success.

    Raises:
        NotFoundError: If there is no such job.
        ConflictError: If it has not ended so, or is not durable.
    """
    job = _job_table.get(changes, uuid)
    if job.order is None:
        msg = f"job {job.number} is not durable: run its code again"
        raise ConflictError(msg)
    if not job.status.is_terminal:
        msg = f"job {job.number} is {job.status.name}: cancel it before it is tried again"
        raise ConflictError(msg)
    order = job.order
    if order.deadline is not None and order.deadline.timestamp() <= now():
        order = msgspec.structs.replace(order, deadline=None)
    sql = "UPDATE job SET attempt = 0, orders = ?, deadline = NULL WHERE uuid = ?"
    changes.execute(sql, encoded(order), str(uuid))
    return _job_table.set_status(changes, uuid, JobStatus.QUEUED, run_at=now())


def save_schedule(
    changes: Changes, name: str, cron: str, order: JobOrder, *, project: UUID, zone: str
) -> Schedule:
    """Keep a schedule, in place of one of the same name; an unchanged one keeps its next time.

    Raises:
        InputError: If the expression is wrong.
    """
    for known in schedules(changes):
        if (known.name, known.cron, known.zone, known.order) == (name, cron, zone, order):
            return known
    due = next_time(cron, datetime.now(UTC), zone=zone)
    changes.execute(
        "INSERT INTO schedule (name, project, cron, zone, orders, next_at)"
        " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET project = excluded.project,"
        " cron = excluded.cron, zone = excluded.zone, orders = excluded.orders,"
        " next_at = excluded.next_at",
        name,
        str(project),
        cron,
        zone,
        encoded(order),
        due.timestamp(),
    )
    return Schedule(name=name, project=project, cron=cron, zone=zone, order=order, next_at=due)


def remove_schedule(changes: Changes, name: str) -> bool:
    """Forget a schedule; False if there was none."""
    return bool(changes.execute("DELETE FROM schedule WHERE name = ?", name))


def schedules(rows: Rows) -> list[Schedule]:
    """Return all schedules, by name."""
    sql = "SELECT name, project, cron, zone, orders, next_at FROM schedule ORDER BY name"
    return [
        Schedule(
            name=name,
            project=UUID(project),
            cron=cron,
            zone=zone,
            order=msgspec.json.decode(order, type=JobOrder),
            next_at=datetime.fromtimestamp(due, UTC),
        )
        for name, project, cron, zone, order, due in rows.all(sql)
    ]


def release_due(changes: Changes) -> list[Job]:
    """Queue what schedules say, each due time once; what was missed meanwhile is due once."""
    time = datetime.now(UTC)
    made = []
    for each in schedules(changes):
        if each.next_at > time:
            continue
        key = f"{each.name}@{each.next_at.isoformat()}"
        order = msgspec.structs.replace(each.order, key=key)
        made.append(create(changes, _draft(each, order)))
        due = next_time(each.cron, time, zone=each.zone).timestamp()
        sql = "UPDATE schedule SET next_at = ? WHERE name = ?"
        changes.execute(sql, due, each.name)
    return made


def _draft(schedule: Schedule, order: JobOrder) -> JobDraft:
    return JobDraft(
        project=schedule.project,
        task_name=order.target,
        title=schedule.name,
        status=JobStatus.QUEUED,
        kind="durable",
        order=order,
        tags=(f"schedule:{schedule.name}",),
    )

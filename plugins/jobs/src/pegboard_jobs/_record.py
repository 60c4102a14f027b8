"""Rows of jobs, and the records that users see."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from enum import IntEnum
from typing import Any, ClassVar
from uuid import UUID

import msgspec

from pegboard.contracts.job import (
    JobDraft,
    JobFailure,
    JobOrder,
    JobProgress,
    JobRecord,
    JobStatus,
)
from pegboard_jobs._identity import new_uuid

__all__ = [
    "COLUMNS",
    "Evaluation",
    "Job",
    "decoded",
    "encoded",
    "job_of",
    "moment",
    "now",
    "seconds",
    "unnumbered",
]

COLUMNS = (
    "uuid, project, number, parent, task_name, title, status, kind, ordinal, creation_time,"
    " start_time, finish_time, runner, process_id, host, fence, attempt, failure, progress,"
    " cancelling, evaluation, comments, owner, orders, run_at, result"
)
"""Columns of a job in the order of the fields of `JobRecord`."""


class Evaluation(IntEnum):
    """What people think of a job."""

    UNKNOWN = 0
    BEST = 1
    GOOD = 2
    REJECTED = 3


class Job(JobRecord, frozen=True, kw_only=True):
    """One job. See `JobRecord` for its fields."""

    Status: ClassVar[type[JobStatus]] = JobStatus
    Evaluation: ClassVar[type[Evaluation]] = Evaluation


def unnumbered(draft: JobDraft) -> Job:
    """Return what a draft will be once a store that is away now has it: it has no number yet."""
    begun = datetime.now(UTC)
    return Job(
        uuid=draft.uuid or new_uuid(),
        project=draft.project,
        number="",
        parent=draft.parent,
        task_name=draft.task_name,
        title=draft.title or draft.task_name,
        status=draft.status,
        kind=draft.kind,
        creation_time=begun,
        start_time=begun,
        owner=draft.owner,
    )


def job_of(row: tuple[Any, ...]) -> Job:
    """Return the job of a row of `COLUMNS`."""
    (
        uuid,
        project,
        number,
        parent,
        task_name,
        title,
        status,
        kind,
        ordinal,
        creation_time,
        start_time,
        finish_time,
        runner,
        process_id,
        host,
        fence,
        attempt,
        failure,
        progress,
        cancelling,
        evaluation,
        comments,
        owner,
        order,
        run_at,
        result,
    ) = row
    return Job(
        uuid=UUID(uuid),
        project=UUID(project),
        number=number,
        parent=None if parent is None else UUID(parent),
        task_name=task_name,
        title=title,
        status=JobStatus(status),
        kind=kind,
        ordinal=ordinal,
        creation_time=datetime.fromtimestamp(creation_time, UTC),
        start_time=moment(start_time),
        finish_time=moment(finish_time),
        runner=None if runner is None else UUID(runner),
        process_id=process_id,
        host=host,
        fence=fence,
        attempt=attempt,
        failure=None if failure is None else msgspec.json.decode(failure, type=JobFailure),
        progress=None if progress is None else msgspec.json.decode(progress, type=JobProgress),
        cancelling=bool(cancelling),
        evaluation=evaluation,
        comments=comments,
        owner=owner,
        order=None if order is None else msgspec.json.decode(order, type=JobOrder),
        run_at=moment(run_at),
        result=None if result is None else msgspec.json.decode(result),
    )


def moment(value: float | None) -> datetime | None:
    """Return seconds since 1970 as a time."""
    return None if value is None else datetime.fromtimestamp(value, UTC)


def seconds(value: datetime | None) -> float | None:
    """Return a time as seconds since 1970; one without a zone is meant in UTC."""
    if value is None:
        return None
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()


def now() -> float:
    """Return the time in seconds since 1970."""
    return time.time()


def encoded(value: Any) -> str | None:
    """Return a value as JSON, None for None."""
    return None if value is None else msgspec.json.encode(value).decode()


def decoded(text: str | None) -> Any:
    """Return what JSON says, None for None."""
    return None if text is None else msgspec.json.decode(text)

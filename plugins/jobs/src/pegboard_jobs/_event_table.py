"""The event log: one number for each event, given in the transaction of the change it tells.

Writers of all processes take turns, so that events become visible in the order of their numbers: a
reader that has seen number 7 will never find a 6 later.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from pegboard.contracts.job import JobEvent
from pegboard.errors import NotFoundError
from pegboard_database import Changes, Rows

__all__ = ["KINDS", "last", "log", "nested", "note", "read", "take_number"]

KINDS = ("created", "status", "progress", "log", "file", "value", "deleted")

_COLUMNS = "seq, time, project, job, number, kind, data"


def take_number(changes: Changes) -> int:
    """Return the next number of the log."""
    number: int = changes.value(
        "UPDATE counter SET value = value + 1 WHERE name = 'event' RETURNING value"
    )
    return number


def note(
    changes: Changes,
    place: tuple[str, str, str],
    kind: str,
    data: dict[str, Any],
    *,
    time: float,
    seq: int | None = None,
) -> int:
    """Write an event and return its number.

    Args:
        changes: The transaction of the change.
        place: Project, job and number of the job.
        kind: One of `KINDS`.
        data: What happened.
        time: When, in seconds.
        seq: Its number, if it was taken already.
    """
    seq = take_number(changes) if seq is None else seq
    changes.execute(
        f"INSERT INTO event ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
        seq,
        time,
        *place,
        kind,
        msgspec.json.encode(data).decode(),
    )
    return seq


def last(rows: Rows) -> int:
    """Return the number of the last event."""
    number: int = rows.value("SELECT value FROM counter WHERE name = 'event'")
    return number


def nested(rows: Rows, job: UUID) -> tuple[str, str] | None:
    """Return project and number of a job, by which its events and nested ones are found."""
    return rows.first("SELECT project, number FROM job WHERE uuid = ?", str(job))


def read(
    rows: Rows,
    after: int,
    *,
    place: tuple[str, str] | None = None,
    project: UUID | None = None,
    limit: int,
) -> list[JobEvent]:
    """Return the events after a number, of a job with what is nested in it, or of a project."""
    where = "seq > ?"
    values: list[Any] = [after]
    if place is not None:
        where += " AND project = ? AND (number = ? OR number LIKE ?)"
        values += [place[0], place[1], f"{place[1]}.%"]
    elif project is not None:
        where += " AND project = ?"
        values.append(str(project))
    found = rows.all(
        f"SELECT {_COLUMNS} FROM event WHERE {where} ORDER BY seq LIMIT {limit:d}",
        *values,
    )
    return [_event(row) for row in found]


def log(rows: Rows, job: UUID, *, limit: int) -> list[JobEvent]:
    """Return the last log lines of a job with what is nested in it, oldest first.

    Raises:
        NotFoundError: If there is no such job.
    """
    place = nested(rows, job)
    if place is None:
        msg = f"there is no job {job}"
        raise NotFoundError(msg)
    found = rows.all(
        f"SELECT {_COLUMNS} FROM event WHERE project = ? AND (number = ? OR number LIKE ?)"
        f" AND kind = 'log' ORDER BY seq DESC LIMIT {limit:d}",
        place[0],
        place[1],
        f"{place[1]}.%",
    )
    return [_event(row) for row in reversed(found)]


def _event(row: tuple[Any, ...]) -> JobEvent:
    seq, time, project, job, number, kind, data = row
    return JobEvent(
        seq=seq,
        time=datetime.fromtimestamp(time, UTC),
        project=UUID(project),
        job=UUID(job),
        kind=kind,
        data={"number": number, **msgspec.json.decode(data)},
    )

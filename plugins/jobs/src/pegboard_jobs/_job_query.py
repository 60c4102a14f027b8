"""Jobs as people look for them: lists, trees, counts. Nothing here changes anything."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from pegboard.contracts.job import JobQuery, JobStatus
from pegboard.errors import NotFoundError
from pegboard_database import Rows
from pegboard_jobs._job_table import get
from pegboard_jobs._record import COLUMNS, Job, job_of

__all__ = ["by_number", "counts", "find", "tree"]

MOST_LISTED = 10_000


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
        pattern = f"%{_escaped(query.text)}%"
        likes = [f"LOWER({each}) LIKE LOWER(?) ESCAPE '!'" for each in ("title", "task_name")]
        parts.append((f"({' OR '.join(likes)})", [pattern, pattern]))
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

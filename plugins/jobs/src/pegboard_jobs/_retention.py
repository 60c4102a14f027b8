"""Deletes jobs: one on request, and those that ended long ago.

The latter a few at a time, so that writers never wait for long.
"""

from __future__ import annotations

from uuid import UUID

from pegboard.contracts.job import JobStatus
from pegboard.errors import ConflictError
from pegboard_database import Changes
from pegboard_jobs import _event_table
from pegboard_jobs._job_query import tree
from pegboard_jobs._job_table import moved
from pegboard_jobs._record import COLUMNS, job_of, now

__all__ = ["CHUNK", "collect", "delete"]

CHUNK = 200  # trees that one transaction deletes

_ENDS = ", ".join(str(int(status)) for status in JobStatus if status.is_terminal)


def collect(changes: Changes, days: float, most: int = CHUNK) -> int:
    """Delete top jobs that ended more than `days` ago, with what is nested in them.

    A tree in which something has not ended stays. Returns how many jobs were deleted.
    """
    sql = (
        f"SELECT {COLUMNS} FROM job AS top WHERE parent IS NULL AND finish_time < ?"
        f" AND status IN ({_ENDS}) AND NOT EXISTS (SELECT 1 FROM job AS inner_job"
        " WHERE inner_job.project = top.project AND inner_job.finish_time IS NULL"
        " AND inner_job.number LIKE top.number || '.%')"
        f" ORDER BY finish_time LIMIT {most:d}"
    )
    jobs = [job_of(row) for row in changes.all(sql, now() - days * 86_400)]
    return sum(delete(changes, job.uuid) for job in jobs)


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
        moved(changes, str(job.project), job.status, None)
        changes.execute("DELETE FROM event WHERE job = ?", str(job.uuid))
        changes.execute("DELETE FROM job WHERE uuid = ?", str(job.uuid))
    top = jobs[0]
    place = (str(top.project), str(top.uuid), top.number)
    _event_table.note(changes, place, "deleted", {"jobs": len(jobs)}, time=time)
    return len(jobs)

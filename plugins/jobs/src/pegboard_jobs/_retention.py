"""Deletes jobs that ended long ago, a few at a time, so that writers never wait for long."""

from __future__ import annotations

from pegboard.contracts.job import JobStatus
from pegboard_database import Changes
from pegboard_jobs import _job_table
from pegboard_jobs._record import COLUMNS, job_of, now

__all__ = ["CHUNK", "collect"]

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
    return sum(_job_table.delete(changes, job.uuid) for job in jobs)

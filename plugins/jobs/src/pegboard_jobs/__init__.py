"""Tracks jobs and runs durable ones: nested, crash-proof, on SQLite or PostgreSQL."""

from pegboard.contracts.job import JobOrder, JobProgress, JobQuery, JobStatus, RetryPolicy
from pegboard.errors import ConflictError as IntegrityError
from pegboard_jobs._default import get_job
from pegboard_jobs._file_table import Directory, File, Role
from pegboard_jobs._handler import AsyncDatabaseHandler
from pegboard_jobs._job_table import StaleError
from pegboard_jobs._legacy import CCP4i2DjangoDbHandler
from pegboard_jobs._opening import open_ledger
from pegboard_jobs._project_table import Project
from pegboard_jobs._record import Evaluation, Job
from pegboard_jobs._tracking import JobCancelledError, Tracked, current_job

__all__ = [
    "AsyncDatabaseHandler",
    "CCP4i2DjangoDbHandler",
    "Directory",
    "Evaluation",
    "File",
    "IntegrityError",
    "Job",
    "JobCancelledError",
    "JobOrder",
    "JobProgress",
    "JobQuery",
    "JobStatus",
    "Project",
    "RetryPolicy",
    "Role",
    "StaleError",
    "Tracked",
    "current_job",
    "get_job",
    "open_ledger",
]

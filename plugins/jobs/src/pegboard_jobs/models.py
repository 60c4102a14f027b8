"""The documented models: records by name, and `Job.objects` for code that asks synchronously."""

from __future__ import annotations

from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

from pegboard.contracts.job import JobQuery
from pegboard.errors import NotFoundError
from pegboard_jobs import _file_table, _job_query, _job_table, _project_table
from pegboard_jobs import _record as record
from pegboard_jobs._default import default_ledger
from pegboard_jobs._file_table import Directory, Role, Use
from pegboard_jobs._project_table import Project as _Project

__all__ = ["File", "FileUse", "Job", "Project"]

T = TypeVar("T")


class _Objects(Generic[T]):
    """Finds the records of a model; blocks."""

    def __init__(self, get: Any) -> None:
        self._get = get

    def get(self, *, uuid: UUID | str) -> T:
        """Return a record.

        Raises:
            NotFoundError: If there is none.
        """
        found: T = default_ledger().store.read_blocking(self._get, UUID(str(uuid)))
        return found


class _Jobs(_Objects[record.Job]):
    """Finds jobs; blocks."""

    def filter(self, **wanted: Any) -> list[record.Job]:
        """Return the jobs that fit; the keywords are the fields of `JobQuery`."""
        query = JobQuery(**wanted)
        return default_ledger().store.read_blocking(_job_query.find, query)


class Job(record.Job, frozen=True, kw_only=True):
    """A job."""

    objects: ClassVar = _Jobs(_job_table.get)
    DoesNotExist: ClassVar = NotFoundError


class File(_file_table.File, frozen=True, kw_only=True):
    """A file."""

    objects: ClassVar = _Objects[_file_table.File](_file_table.get)
    DoesNotExist: ClassVar = NotFoundError


class Project(_Project, frozen=True, kw_only=True):
    """A project."""

    objects: ClassVar = _Objects[_Project](_project_table.get)
    DoesNotExist: ClassVar = NotFoundError


class FileUse(Use, frozen=True, kw_only=True):
    """That a job made or used a file."""

    Role: ClassVar = Role
    Directory: ClassVar = Directory

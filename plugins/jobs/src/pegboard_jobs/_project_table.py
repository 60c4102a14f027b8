"""Projects: what jobs are numbered in."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from pegboard.errors import ConflictError, InputError, NotFoundError
from pegboard_database import Changes, Rows
from pegboard_jobs._record import moment, now

__all__ = ["DEFAULT_PROJECT", "Project", "directory", "ensure", "every", "get", "save"]

DEFAULT_PROJECT = UUID("7065672d-626f-6172-8064-6a6f62730001")
"""The project of jobs that name none."""

_COLUMNS = "uuid, name, description, directory, creation_time, last_job_number"


class Project(msgspec.Struct, frozen=True, kw_only=True):
    """One project.

    Attributes:
        uuid: Its identity.
        name: What people call it; no two have one name.
        description: What people say about it.
        directory: Folder of its files, empty where it has none.
        creation_time: When it was made.
        last_job_number: How many top jobs were ever numbered in it.
    """

    uuid: UUID
    name: str
    description: str = ""
    directory: str = ""
    creation_time: datetime
    last_job_number: int = 0

    @property
    def path(self) -> Path:
        """The folder of its files.

        Raises:
            InputError: If it has none.
        """
        if not self.directory:
            msg = f"project {self.name} has no folder: give it one with save_project(directory=...)"
            raise InputError(msg)
        return Path(self.directory)


def ensure(changes: Changes, uuid: UUID, *, jobs: int = 0) -> int:
    """Make a project that is not known, and return its last number after adding `jobs`."""
    sql = (
        "UPDATE project SET last_job_number = last_job_number + ? WHERE uuid = ?"
        " RETURNING last_job_number"
    )
    number: int | None = changes.value(sql, jobs, str(uuid))
    if number is not None:
        return number
    name = "default" if uuid == DEFAULT_PROJECT else str(uuid)
    changes.execute(
        f"INSERT INTO project ({_COLUMNS}) VALUES (?, ?, '', '', ?, ?)",
        str(uuid),
        name,
        now(),
        jobs,
    )
    return jobs


def get(rows: Rows, uuid: UUID) -> Project:
    """Return a project as it is now.

    Raises:
        NotFoundError: If there is none.
    """
    row = rows.first(f"SELECT {_COLUMNS} FROM project WHERE uuid = ?", str(uuid))
    if row is None:
        msg = f"there is no project {uuid}"
        raise NotFoundError(msg)
    return _project(row)


def directory(rows: Rows, uuid: UUID) -> str:
    """Return the folder of a project, empty where it has none or is not known."""
    found: str | None = rows.value("SELECT directory FROM project WHERE uuid = ?", str(uuid))
    return found or ""


def every(rows: Rows) -> list[Project]:
    """Return all projects, by name."""
    sql = f"SELECT {_COLUMNS} FROM project ORDER BY name"
    return [_project(row) for row in rows.all(sql)]


def save(changes: Changes, /, uuid: UUID, **columns: str) -> Project:
    """Change name, description or directory of a project, which is made if it is not known.

    Raises:
        ConflictError: If another project has the name.
    """
    ensure(changes, uuid)
    name = columns.get("name")
    if name is not None:
        sql = "SELECT 1 FROM project WHERE name = ? AND uuid <> ?"
        if changes.value(sql, name, str(uuid)) is not None:
            msg = f"another project is called {name}"
            raise ConflictError(msg)
    for column, value in columns.items():
        sql = f"UPDATE project SET {column} = ? WHERE uuid = ?"
        changes.execute(sql, value, str(uuid))
    return get(changes, uuid)


def _project(row: tuple[Any, ...]) -> Project:
    uuid, name, description, directory, creation_time, last_job_number = row
    created = moment(creation_time)
    assert created is not None  # noqa: S101 - the column is NOT NULL
    return Project(
        uuid=UUID(uuid),
        name=name,
        description=description,
        directory=directory,
        creation_time=created,
        last_job_number=last_job_number,
    )

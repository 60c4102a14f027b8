"""Files in their table: found by content, made by one job and used by others."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

import msgspec

from pegboard.errors import InputError, NotFoundError
from pegboard_database import Changes, Rows
from pegboard_jobs import _event_table
from pegboard_jobs._digest import Digest
from pegboard_jobs._identity import new_uuid
from pegboard_jobs._job_table import check_fence
from pegboard_jobs._job_table import get as get_job
from pegboard_jobs._record import now
from pegboard_jobs._text import clean

__all__ = ["Directory", "File", "Role", "Use", "add", "find", "get", "of_job", "use", "uses"]

MD5_LENGTH = 32

_COLUMNS = (
    "uuid, job, name, path, directory, type, sub_type, content, annotation, job_param_name, size,"
    " sha256, md5, last_modified, creation_time, source"
)
_SELECT = f"SELECT {_COLUMNS} FROM file"


class Directory(IntEnum):
    """Where a file of a project lies."""

    JOB_DIR = 1
    IMPORT_DIR = 2


class Role(IntEnum):
    """What a job did with a file."""

    OUT = 0
    IN = 1


class File(msgspec.Struct, frozen=True, kw_only=True):
    """One registered file.

    Attributes:
        uuid: Its identity.
        job: The job that made or imported it.
        name: Its name without folders.
        path: Where it lay when it was registered.
        directory: `JOB_DIR` for one that a job made, `IMPORT_DIR` for one from elsewhere.
        type: What kind of file it is.
        sub_type: A number that its type gives a meaning to.
        content: The content flag: another one.
        annotation: What people say about it.
        job_param_name: Which parameter of the job it is.
        size: Its bytes when it was registered.
        sha256: Digest of its content then, in hexadecimal.
        md5: Another one, by which the documented system finds imports.
        last_modified: When its content was changed last.
        creation_time: When it was registered.
        source: Where an imported one came from.
    """

    uuid: UUID
    job: UUID
    name: str
    path: Path
    directory: Directory
    type: str
    sub_type: int | None = None
    content: int | None = None
    annotation: str = ""
    job_param_name: str
    size: int
    sha256: str
    md5: str
    last_modified: datetime
    creation_time: datetime
    source: str = ""

    Directory: ClassVar = Directory
    Role: ClassVar = Role


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """That a job made or used a file.

    Attributes:
        file: The file.
        job: The job.
        role: What it did with it.
        job_param_name: Which parameter of the job it was.
    """

    file: UUID
    job: UUID
    role: Role
    job_param_name: str


def add(
    changes: Changes,
    job: UUID,
    path: Path,
    digest: Digest,
    *,
    directory: Directory,
    file_type: str,
    param_name: str,
    content_flag: int | None = None,
    sub_type: int | None = None,
    annotation: str = "",
    source: str = "",
    fence: int | None = None,
) -> File:
    """Register a file of a job: an output replaces the one of the same parameter.

    Raises:
        InputError: If it has no parameter name, or its name is no UTF-8.
        NotFoundError: If there is no such job.
        StaleError: If the fence is old.
    """
    if not param_name:
        msg = f"file {path.name}: say which parameter of the job it is (param_name)"
        raise InputError(msg)
    if clean(str(path)) != str(path):
        msg = f"file {clean(path.name)}: its name is no UTF-8, rename it"
        raise InputError(msg)
    owner, time = get_job(changes, job), now()
    check_fence(owner, fence)
    row = changes.first(
        f"INSERT INTO file ({_COLUMNS}) VALUES ({', '.join('?' * 16)})"
        " ON CONFLICT (job, job_param_name) WHERE directory = 1 DO UPDATE SET"
        " name = excluded.name, path = excluded.path, type = excluded.type,"
        " sub_type = excluded.sub_type, content = excluded.content,"
        " annotation = excluded.annotation, size = excluded.size, sha256 = excluded.sha256,"
        " md5 = excluded.md5, last_modified = excluded.last_modified"
        f" RETURNING {_COLUMNS}",
        str(new_uuid()),
        str(job),
        path.name,
        str(path),
        int(directory),
        file_type,
        sub_type,
        content_flag,
        annotation,
        param_name,
        digest.size,
        digest.sha256,
        digest.md5,
        digest.modified,
        time,
        source,
    )
    if row is None:
        msg = f"file {path.name} was not registered"
        raise InputError(msg)
    file = _file(row)
    role = Role.OUT if directory is Directory.JOB_DIR else Role.IN
    _use(changes, job, file.uuid, role, param_name)
    said = {"file": str(file.uuid), "name": file.name, "role": role, "param_name": param_name}
    place = (str(owner.project), str(job), owner.number)
    _event_table.note(changes, place, "file", said, time=time)
    return file


def use(
    changes: Changes, job: UUID, file: UUID, param_name: str, *, fence: int | None = None
) -> Use:
    """Note that a job uses a file; a second time changes nothing.

    Raises:
        NotFoundError: If there is no such job or file.
        StaleError: If the fence is old.
    """
    owner, used = get_job(changes, job), get(changes, file)
    check_fence(owner, fence)
    if _use(changes, job, file, Role.IN, param_name):
        said = {"file": str(file), "name": used.name, "role": Role.IN, "param_name": param_name}
        place = (str(owner.project), str(job), owner.number)
        _event_table.note(changes, place, "file", said, time=now())
    return Use(file=file, job=job, role=Role.IN, job_param_name=param_name)


def _use(changes: Changes, job: UUID, file: UUID, role: Role, param_name: str) -> int:
    return changes.execute(
        "INSERT INTO file_use (file, job, role, job_param_name) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        str(file),
        str(job),
        int(role),
        param_name,
    )


def get(rows: Rows, uuid: UUID) -> File:
    """Return a file.

    Raises:
        NotFoundError: If there is none.
    """
    row = rows.first(f"{_SELECT} WHERE uuid = ?", str(uuid))
    if row is None:
        msg = f"there is no file {uuid}"
        raise NotFoundError(msg)
    return _file(row)


def of_job(rows: Rows, job: UUID, role: Role | None = None) -> list[File]:
    """Return the files that a job made or used, in the order in which they were registered."""
    where, values = "job = ?", [str(job)]
    if role is not None:
        where += f" AND role = {role:d}"
    inner = f"SELECT file FROM file_use WHERE {where}"
    found = rows.all(f"{_SELECT} WHERE uuid IN ({inner}) ORDER BY creation_time, uuid", *values)
    return [_file(row) for row in found]


def find(
    rows: Rows,
    *,
    project: UUID | None = None,
    path: str | None = None,
    checksum: str | None = None,
    file_type: str | None = None,
    directory: Directory | None = None,
) -> list[File]:
    """Return the files that fit, the newest first.

    Args:
        rows: The transaction.
        project: Those of jobs of this project.
        path: Those with exactly this path.
        checksum: Those with this SHA-256 or MD5.
        file_type: Those of this type.
        directory: Those that were made, or those that were imported.
    """
    parts: list[tuple[str, Any]] = []
    if project is not None:
        parts.append(("job IN (SELECT uuid FROM job WHERE project = ?)", str(project)))
    if path is not None:
        parts.append(("path = ?", path))
    if checksum is not None:
        column = "md5" if len(checksum) == MD5_LENGTH else "sha256"
        parts.append((f"{column} = ?", checksum.lower()))
    if file_type is not None:
        parts.append(("type = ?", file_type))
    if directory is not None:
        parts.append(("directory = ?", int(directory)))
    where = f" WHERE {' AND '.join(part for part, _ in parts)}" if parts else ""
    order = " ORDER BY creation_time DESC, uuid DESC"
    return [_file(row) for row in rows.all(_SELECT + where + order, *(each for _, each in parts))]


def uses(rows: Rows, files: Sequence[UUID] = (), jobs: Sequence[UUID] = ()) -> list[Use]:
    """Return who made and used these files, and what these jobs made and used."""
    found: dict[tuple[Any, ...], Use] = {}
    for column, wanted in (("file", files), ("job", jobs)):
        for uuid in wanted:
            sql = f"SELECT file, job, role, job_param_name FROM file_use WHERE {column} = ?"
            for row in rows.all(sql, str(uuid)):
                found[row] = Use(
                    file=UUID(row[0]), job=UUID(row[1]), role=Role(row[2]), job_param_name=row[3]
                )
    return list(found.values())


def _file(row: tuple[Any, ...]) -> File:
    names = File.__struct_fields__
    values = dict(zip(names, row, strict=True))
    values["uuid"], values["job"] = UUID(row[0]), UUID(row[1])
    values["path"] = Path(values["path"])
    values["directory"] = Directory(values["directory"])
    for name in ("last_modified", "creation_time"):
        values[name] = datetime.fromtimestamp(values[name], UTC)
    return File(**values)

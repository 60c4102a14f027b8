"""Jobs as mods and other plugins look at them: nothing here changes anything."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from pegboard.contracts.job import (
    JobEvent,
    JobQuery,
    JobStatus,
    JobStore,
)
from pegboard_jobs import (
    _event_table,
    _file_table,
    _job_query,
    _project_table,
    _value_table,
)
from pegboard_jobs._file_table import File, Role
from pegboard_jobs._ledger import Ledger
from pegboard_jobs._project_table import DEFAULT_PROJECT, Project
from pegboard_jobs._provenance import Provenance, graph_of
from pegboard_jobs._record import Job

if TYPE_CHECKING:
    from pegboard import App

__all__ = ["JobView"]


class JobView:
    """What can be asked about the jobs of one app.

    Attributes:
        ledger: Where they are kept.

    Args:
        app: The app.
        ledger: Where they are kept.
    """

    def __init__(self, app: App, ledger: Ledger) -> None:
        self.ledger = ledger
        self._app = app
        self._stores: dict[UUID, JobStore] = {}

    def store(self, project: UUID = DEFAULT_PROJECT) -> JobStore:
        """Return where the jobs of a project are tracked, as the hook `track_job` says.

        Raises:
            PegboardError: If a plugin refuses.
        """
        store = self._stores.get(project)
        if store is None:
            store = self._app.hooks.first("track_job", app=self._app, project=str(project))
            store = self._stores[project] = store or self.ledger.store
        return store

    async def get(self, job: UUID) -> Job:
        """Return a job.

        Raises:
            NotFoundError: If there is none.
        """
        return await self.ledger.store.get(job)

    async def find(self, number: str, project: UUID = DEFAULT_PROJECT) -> Job:
        """Return the job of a number.

        Raises:
            NotFoundError: If there is none.
        """
        return await self.ledger.store.read(_job_query.by_number, project, number)

    async def list(self, query: JobQuery | None = None, **wanted: Any) -> Sequence[Job]:
        """Return jobs, the newest first; keywords are the fields of `JobQuery`."""
        query = query or JobQuery(**wanted)
        return await self._store_of(query.project).list(query)  # type: ignore[return-value]  # as above

    async def tree(self, job: UUID) -> Sequence[Job]:
        """Return a job and all that are nested in it, oldest first.

        Raises:
            NotFoundError: If there is none.
        """
        return await self.ledger.store.read(_job_query.tree, job)

    async def counts(self, project: UUID | None = None) -> dict[JobStatus, int]:
        """Return how many jobs have each status."""
        return await self._store_of(project).counts(project)

    async def events(
        self, after: int = 0, *, job: UUID | None = None, limit: int = 500
    ) -> Sequence[JobEvent]:
        """Return events with a number above `after`, oldest first."""
        return await self.ledger.store.events(after, job=job, limit=limit)

    async def log(self, job: UUID, *, limit: int = 1000) -> Sequence[JobEvent]:
        """Return the last lines of the log of a job and what is nested in it, oldest first.

        Raises:
            NotFoundError: If there is no such job.
        """
        return await self.ledger.store.read(_event_table.log, job, limit=limit)

    def follow(
        self, after: int = 0, *, job: UUID | None = None, project: UUID | None = None
    ) -> AsyncGenerator[JobEvent, None]:
        """Yield events, those that are there and then live ones, without a gap."""
        return self._store_of(project).follow(after, job=job, project=project)

    async def last_event(self) -> int:
        """Return the number of the last event."""
        return await self.ledger.store.read(_event_table.last)

    async def values(self, job: UUID) -> dict[str, Any]:
        """Return what a job has found, by key."""
        return await self.ledger.store.read(_value_table.of_job, job)

    async def files(self, job: UUID, role: Role | None = None) -> Sequence[File]:
        """Return the files that a job made or used."""
        return await self.ledger.store.read(_file_table.of_job, job, role)

    async def file(self, uuid: UUID) -> File:
        """Return a file.

        Raises:
            NotFoundError: If there is none.
        """
        return await self.ledger.store.read(_file_table.get, uuid)

    async def find_files(
        self, *, path: str | Path | None = None, checksum: str | None = None
    ) -> Sequence[File]:
        """Return the files registered at a path, or with a SHA-256 or MD5, the newest first."""
        where = None if path is None else str(path)
        return await self.ledger.store.read(_file_table.find, path=where, checksum=checksum)

    async def provenance(
        self, *, job: UUID | None = None, file: UUID | None = None, owner: str | None = None
    ) -> Provenance:
        """Return what a job or file was made from, and what was made from it.

        Args:
            job: Where to begin.
            file: The same.
            owner: Show jobs of this user only, and the files that these made or used.

        Raises:
            NotFoundError: If there is no such job or file.
        """
        return await self.ledger.store.read(graph_of, job=job, file=file, owner=owner)

    async def projects(self) -> Sequence[Project]:
        """Return all projects."""
        return await self.ledger.store.read(_project_table.every)

    def _store_of(self, project: UUID | None) -> JobStore:
        return self.ledger.store if project is None else self.store(project)

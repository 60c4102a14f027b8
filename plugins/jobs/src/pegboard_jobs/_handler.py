"""`AsyncDatabaseHandler`: jobs, files and values of one project, as documented."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from anyio import to_thread

from pegboard.contracts.job import JobDraft, JobStatus
from pegboard.errors import ConflictError, PegboardError
from pegboard_jobs import _file_table, _job_table, _project_table, _value_table
from pegboard_jobs._default import default_ledger
from pegboard_jobs._digest import digest_of
from pegboard_jobs._file_table import Directory, File, Role, Use
from pegboard_jobs._glean import Found, files_of, indicators_of, settled
from pegboard_jobs._job_place import JobPlace
from pegboard_jobs._ledger import Ledger
from pegboard_jobs._plugin_object import PluginObject, status_of_code, unfinished
from pegboard_jobs._project_table import Project
from pegboard_jobs._record import Job
from pegboard_jobs._tracking import Tracked, Tracking

__all__ = ["AsyncDatabaseHandler"]

_logger = logging.getLogger("pegboard.jobs")


class AsyncDatabaseHandler:
    """Keeps the jobs of one project.

    Args:
        project_uuid: The project; one that is not known is made.
        ledger: Where it is kept; by default where the running app keeps its jobs, or below
            `.pegboard` of the working directory.
    """

    def __init__(self, project_uuid: UUID | str, *, ledger: Ledger | None = None) -> None:
        self.project_uuid = UUID(str(project_uuid))
        self._given = ledger

    @property
    def ledger(self) -> Ledger:
        """Where the jobs are kept; the first time this may block."""
        return self._given or default_ledger()

    # -- jobs --------------------------------------------------------------------------------

    async def create_job(
        self,
        task_name: str,
        title: str | None = None,
        parent_job_uuid: UUID | None = None,
        job_number: str | None = None,
    ) -> Job:
        """Make a job, numbered below its parent or at the top.

        Args:
            task_name: What runs.
            title: What people read; the task's name by default.
            parent_job_uuid: The job that it is nested in.
            job_number: Its number, in place of the next one.

        Raises:
            NotFoundError: If the parent is not a job of this project.
            ConflictError: If the number is taken.
            UnavailableError: If the store is away.
        """
        return await self.ledger.store.create(
            self._draft(task_name, title, parent_job_uuid, job_number)
        )

    async def get_job(self, job_uuid: UUID) -> Job:
        """Return a job as it is now.

        Raises:
            NotFoundError: If there is none.
        """
        return await self.ledger.store.get(job_uuid)

    async def update_job_status(
        self, job_uuid: UUID, status: JobStatus | int, finish_time: datetime | None = None
    ) -> Job:
        """Change the status of a job; a terminal one gets a finish time, now by default.

        Raises:
            NotFoundError: If there is no such job.
            ConflictError: If this status may not follow the present one.
            UnavailableError: If the store is away.
        """
        return await self.ledger.store.set_status(
            job_uuid, JobStatus(status), finish_time=finish_time
        )

    @asynccontextmanager
    async def track_job(self, plugin: Any) -> AsyncIterator[Tracked]:
        """Track a plugin object while the block runs; however it is left, the record says so.

        A plugin object that says no status has succeeded if the block ends without an exception.
        After success its output files and indicators are gleaned.

        Args:
            plugin: Anything with some of the documented attributes; see `PluginObject`.

        Raises:
            PegboardError: If the job cannot be made. A store that is away is no reason.
        """
        thing, ledger = PluginObject(plugin), self.ledger
        known = thing.job
        job = None if known is None else await ledger.take(known)
        draft = self._draft(thing.task_name, thing.title, thing.parent, None, JobStatus.RUNNING)
        place = JobPlace(self.project_uuid)
        if job is not None:
            await ledger.store.read(place.look)
        async with Tracking(ledger, draft, job=job, look=place.look) as tracked:
            folder = place.folder_of(tracked.number)
            thing.introduce(self, self.project_uuid, tracked.uuid, tracked.number, folder)
            with thing.watched(partial(self._heard, tracked)):
                yield tracked
            await self._conclude(tracked, thing)

    async def _conclude(self, tracked: Tracked, thing: PluginObject) -> None:
        status = thing.status or (tracked.outcome or (JobStatus.FINISHED,))[0]
        if status.is_active:
            tracked.outcome = unfinished(status)
            return
        tracked.end_as(status, f"{thing.title} said {status.name}")
        if status is not JobStatus.FINISHED:
            return
        await self.glean_job_files(tracked.uuid, thing.container)
        await self.glean_performance_indicators(tracked.uuid, thing.container)
        if not thing.can_save:
            return
        try:
            await to_thread.run_sync(thing.save)
        except Exception:
            _logger.exception("the parameters of job %s were not saved", tracked.number)

    def _heard(self, tracked: Tracked, status: JobStatus) -> None:
        """Record what the signal of a plugin object says while it runs, from any thread.

        An end is noted, and recorded when the block ends.
        """
        later, fence = self.ledger.record_later, tracked.job.fence
        if status.is_terminal:
            tracked.end_as(status, f"its signal said {status.name}")
        if status.is_terminal or status is JobStatus.RUNNING:
            line = f"status {status.name}"
            later(_job_table.report, tracked.uuid, fence=fence, log=[line])
        else:
            later(_job_table.set_status, tracked.uuid, status, fence=fence)

    def _draft(
        self,
        task_name: str,
        title: str | None,
        parent: UUID | None,
        number: str | None,
        status: JobStatus = JobStatus.PENDING,
    ) -> JobDraft:
        return JobDraft(
            project=self.project_uuid,
            task_name=task_name,
            title=title,
            parent=parent,
            number=number,
            status=status,
        )

    # -- projects ----------------------------------------------------------------------------

    async def get_project(self) -> Project:
        """Return the project as it is now, made if it is not known."""
        return await self.ledger.store.write(_project_table.save, self.project_uuid)

    async def save_project(
        self,
        *,
        name: str | None = None,
        description: str | None = None,
        directory: str | Path | None = None,
    ) -> Project:
        """Change what is given of the project, and nothing else.

        Raises:
            ConflictError: If another project has the name.
        """
        columns = {
            "name": name,
            "description": description,
            "directory": None if directory is None else str(directory),
        }
        given = {column: value for column, value in columns.items() if value is not None}
        return await self.ledger.store.write(_project_table.save, self.project_uuid, **given)

    # -- files -------------------------------------------------------------------------------

    async def register_output_file(  # noqa: PLR0917 - the documented signature
        self,
        job_uuid: UUID,
        file_path: str | Path,
        file_type: str,
        param_name: str,
        content_flag: int | None = None,
        sub_type: int | None = None,
        annotation: str = "",
    ) -> File:
        """Register a file that a job has made, in place of one of the same parameter.

        Raises:
            NotFoundError: If there is no such file or job.
            ConflictError: If the file is being written.
            UnavailableError: If the store is away.
        """
        path = await self._placed(file_path)
        return await self.ledger.store.write(
            _file_table.add,
            job_uuid,
            path,
            await to_thread.run_sync(digest_of, path),
            directory=Directory.JOB_DIR,
            file_type=file_type,
            param_name=param_name,
            content_flag=content_flag,
            sub_type=sub_type,
            annotation=annotation,
        )

    async def register_input_file(self, job_uuid: UUID, file_uuid: UUID, param_name: str) -> Use:
        """Note that a job uses a file; a second time changes nothing.

        Raises:
            NotFoundError: If there is no such job or file.
            UnavailableError: If the store is away.
        """
        return await self.ledger.store.write(_file_table.use, job_uuid, file_uuid, param_name)

    async def register_imported_file(  # noqa: PLR0917 - the documented signature
        self,
        job_uuid: UUID,
        file_path: str | Path,
        file_type: str,
        param_name: str,
        source_path: str | Path,
        annotation: str = "",
        checksum: str | None = None,
    ) -> File:
        """Register a file that came from elsewhere; the same content is registered once.

        Args:
            job_uuid: The job that imports it.
            file_path: Where it lies now.
            file_type: What kind of file it is.
            param_name: Which parameter of the job it is.
            source_path: Where it came from.
            annotation: What people say about it.
            checksum: MD5 or SHA-256 that it has to have.

        Raises:
            NotFoundError: If there is no such file or job.
            ConflictError: If the content is not that of the checksum.
            UnavailableError: If the store is away.
        """
        path = await self._placed(file_path)
        digest = await to_thread.run_sync(digest_of, path)
        if checksum is not None and checksum.lower() not in {digest.md5, digest.sha256}:
            msg = f"file {path} has another content than {checksum} says: import it again"
            raise ConflictError(msg)
        known = await self.find_imported_file_by_checksum(digest.sha256, file_type)
        if known is not None:
            await self.register_input_file(job_uuid, known.uuid, param_name)
            return known
        return await self.ledger.store.write(
            _file_table.add,
            job_uuid,
            path,
            digest,
            directory=Directory.IMPORT_DIR,
            file_type=file_type,
            param_name=param_name,
            annotation=annotation,
            source=str(source_path),
        )

    async def find_imported_file_by_checksum(
        self, checksum: str, file_type: str | None = None
    ) -> File | None:
        """Return an import of this project that is still there, by MD5 or SHA-256."""
        found = await self.ledger.store.read(
            _file_table.find,
            project=self.project_uuid,
            checksum=checksum,
            file_type=file_type,
            directory=Directory.IMPORT_DIR,
        )
        there = await to_thread.run_sync(_existing, found)
        return next(iter(there), None)

    async def find_file_by_path(self, path: str | Path) -> File | None:
        """Return the file that was registered last at exactly this path."""
        place = await self._placed(path)
        found = await self.ledger.store.read(
            _file_table.find, project=self.project_uuid, path=str(place)
        )
        return next(iter(found), None)

    async def get_file_path(self, file_uuid: UUID) -> Path:
        """Return where a file lay when it was registered.

        Raises:
            NotFoundError: If there is no such file.
        """
        return (await self.ledger.store.read(_file_table.get, file_uuid)).path

    async def get_job_files(self, job_uuid: UUID, role: Role | None = None) -> list[File]:
        """Return the files that a job made or used."""
        return await self.ledger.store.read(_file_table.of_job, job_uuid, role)

    # -- values ------------------------------------------------------------------------------

    async def register_job_float_value(
        self, job_uuid: UUID, key: str, value: float, description: str | None = None
    ) -> None:
        """Keep a number that a job has found; see `register_job_value`."""
        await self.register_job_value(job_uuid, key, float(value), description)

    async def register_job_char_value(
        self, job_uuid: UUID, key: str, value: str, description: str | None = None
    ) -> None:
        """Keep a text that a job has found; see `register_job_value`."""
        await self.register_job_value(job_uuid, key, str(value), description)

    async def register_job_value(
        self, job_uuid: UUID, key: str, value: Any, description: str | None = None
    ) -> None:
        """Keep what a job has found, as the type that it is, in place of the last of that key.

        Raises:
            InputError: If key or value cannot be kept.
            NotFoundError: If there is no such job.
        """
        await self.ledger.store.write(
            _value_table.save, job_uuid, key, value, description=description
        )

    async def get_job_values(self, job_uuid: UUID) -> dict[str, Any]:
        """Return the values of a job by key."""
        return await self.ledger.store.read(_value_table.of_job, job_uuid)

    # -- gleaning ----------------------------------------------------------------------------

    async def glean_job_files(
        self, job_uuid: UUID, container: Any, plugin: Any = None
    ) -> list[File]:
        """Register the output files that a container names and that exist.

        A file that cannot be registered is logged and left out.
        """
        files = []
        for found in list(files_of(container)):  # in memory; the files are looked at in threads
            file = await self._glean(job_uuid, found)
            if file is not None:
                files.append(file)
        return files

    async def _glean(self, job_uuid: UUID, found: Found) -> File | None:
        if not await to_thread.run_sync(found.path.is_file):
            return None
        try:
            return await self.register_output_file(
                job_uuid,
                await to_thread.run_sync(settled, found.path),
                found.file_type,
                found.param_name,
                found.content_flag,
                found.sub_type,
                found.annotation,
            )
        except (PegboardError, OSError) as error:
            _logger.warning("file %s was not registered: %s", found.path, error)
            return None

    async def glean_performance_indicators(self, job_uuid: UUID, container: Any) -> int:
        """Keep the performance indicators of a container, each as its type; return how many."""
        kept = 0
        for key, value in indicators_of(container).items():
            try:
                await self.register_job_value(job_uuid, key, value)
                kept += 1
            except PegboardError as error:
                _logger.warning("indicator %s was not kept: %s", key, error)
        return kept

    # -- documented names --------------------------------------------------------------------

    @staticmethod
    def plugin_status_to_job_status(finish_status: Any, plugin: Any = None) -> JobStatus:
        """Return what a status code of a plugin object means."""
        return status_of_code(finish_status, plugin)

    @staticmethod
    async def _placed(path: str | Path) -> Path:
        return await to_thread.run_sync(lambda: Path(path).resolve())


def _existing(files: list[File]) -> list[File]:
    return [file for file in files if file.path.is_file()]

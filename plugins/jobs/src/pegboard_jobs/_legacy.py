"""The handler before `AsyncDatabaseHandler`: synchronous, with identities as text."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from anyio import run

from pegboard.contracts.job import JobDraft, JobStatus
from pegboard_jobs import _file_table, _job_table, _project_table
from pegboard_jobs._default import default_ledger
from pegboard_jobs._file_table import File
from pegboard_jobs._handler import AsyncDatabaseHandler
from pegboard_jobs._ledger import Ledger
from pegboard_jobs._new_job import create
from pegboard_jobs._plugin_object import CODES, status_of_code
from pegboard_jobs._project_table import DEFAULT_PROJECT
from pegboard_jobs._record import Job

__all__ = ["CCP4i2DjangoDbHandler"]


class CCP4i2DjangoDbHandler:
    """Keeps jobs by calls that block; code that is rewritten uses `AsyncDatabaseHandler`.

    Args:
        project_uuid: The project; the default one if there is none.
        ledger: Where it is kept; see `AsyncDatabaseHandler`.
    """

    def __init__(
        self, project_uuid: UUID | str = DEFAULT_PROJECT, *, ledger: Ledger | None = None
    ) -> None:
        self.project_uuid = UUID(str(project_uuid))
        self._given = ledger

    @property
    def ledger(self) -> Ledger:
        """Where the jobs are kept."""
        return self._given or default_ledger()

    def createJob(  # noqa: N802 - the documented name
        self,
        pluginName: str,  # noqa: N803 - the documented name
        jobTitle: str | None = None,  # noqa: N803 - the documented name
        parentJobId: str | UUID | None = None,  # noqa: N803 - the documented name
        jobNumber: str | None = None,  # noqa: N803 - the documented name
    ) -> Job:
        """Make a job; see `AsyncDatabaseHandler.create_job`.

        Raises:
            NotFoundError: If the parent is not a job of this project.
            ConflictError: If the number is taken.
        """
        draft = JobDraft(
            project=self.project_uuid,
            task_name=pluginName,
            title=jobTitle,
            parent=None if parentJobId is None else UUID(str(parentJobId)),
            number=jobNumber,
        )
        return self.ledger.store.write_blocking(create, draft)

    def createSubJob(  # noqa: N802 - the documented name
        self,
        pluginName: str,  # noqa: N803 - the documented name
        parentJobId: str | UUID,  # noqa: N803 - the documented name
        jobTitle: str | None = None,  # noqa: N803 - the documented name
    ) -> Job:
        """Make a job in another one; see `createJob`."""
        return self.createJob(pluginName, jobTitle, parentJobId)

    def updateJobStatus(  # noqa: N802 - the documented name
        self,
        jobId: str | UUID,  # noqa: N803 - the documented name
        status: int | None = None,
        finishStatus: int | None = None,  # noqa: N803 - the documented name
        container: Any = None,
        dbOutputData: Any = None,  # noqa: N803 - the documented name
    ) -> Job:
        """Set a status, or what the finish status of a plugin object means.

        Of a container, the output files and indicators are gleaned where that is FINISHED.

        Raises:
            NotFoundError: If there is no such job.
            ConflictError: If this status may not follow the present one.
        """
        uuid = UUID(str(jobId))
        wanted = JobStatus.UNKNOWN if status is None else JobStatus(status)
        if finishStatus is not None:
            wanted = self.plugin_status_to_job_status(finishStatus)
        if wanted is JobStatus.FINISHED and container is not None:
            handler = AsyncDatabaseHandler(self.project_uuid, ledger=self.ledger)
            _wait(partial(_gleaned, handler, uuid, container))
        return self.ledger.store.write_blocking(_job_table.set_status, uuid, wanted)

    @staticmethod
    def plugin_status_to_job_status(code: int) -> JobStatus:
        """Return what a finish status means: an unknown one is UNSATISFACTORY."""
        known = code in CODES.values()
        return status_of_code(code) if known else JobStatus.UNSATISFACTORY

    def find_file_by_path_sync(self, path: str | Path) -> File | None:
        """Return the file that was registered last at exactly this path."""
        found = self.ledger.store.read_blocking(
            _file_table.find, project=self.project_uuid, path=str(Path(path).resolve())
        )
        return next(iter(found), None)

    def get_file_path_sync(self, file_uuid: str | UUID) -> Path:
        """Return where a file lay when it was registered.

        Raises:
            NotFoundError: If there is no such file.
        """
        return self.ledger.store.read_blocking(_file_table.get, UUID(str(file_uuid))).path

    def getProjectDirectory(self) -> Path:  # noqa: N802 - the documented name
        """Return the folder of the project.

        Raises:
            InputError: If it has none.
        """
        return self.ledger.store.write_blocking(_project_table.save, self.project_uuid).path


async def _gleaned(handler: AsyncDatabaseHandler, uuid: UUID, container: Any) -> None:
    await handler.glean_job_files(uuid, container)
    await handler.glean_performance_indicators(uuid, container)


def _wait(function: Any) -> None:
    """Run a coroutine function in a thread of its own, and wait: this one may have a loop."""
    from threading import Thread

    failures: list[BaseException] = []

    def work() -> None:
        try:
            run(function)
        except BaseException as error:  # noqa: BLE001 - raised again where somebody waits
            failures.append(error)

    thread = Thread(target=work, name="jobs glean")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]

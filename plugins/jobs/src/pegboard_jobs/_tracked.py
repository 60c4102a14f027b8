"""A job that runs, as its own code sees it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any
from uuid import UUID

from anyio import to_thread

from pegboard.contracts.job import JobFailure, JobProgress, JobStatus
from pegboard.errors import PegboardError
from pegboard_jobs import _file_table, _job_table, _value_table
from pegboard_jobs._digest import digest_of
from pegboard_jobs._file_table import Directory, File
from pegboard_jobs._later_progress import PROGRESS_PERIOD
from pegboard_jobs._record import Job
from pegboard_jobs._text import clean

if TYPE_CHECKING:
    from pegboard_jobs._books import Books

__all__ = ["VARIABLE", "Tracked"]

VARIABLE = "PEGBOARD_JOB"
"""Environment variable that tells a process which job it works for."""

_logger = logging.getLogger("pegboard.jobs")


class Tracked:
    """A job that runs, as its own code sees it.

    Attributes:
        job: The record as it was when the job began.
        is_stale: Whether somebody else has taken the job over: nothing is recorded any more.
        outcome: How it ends if its block is left without an exception; None for FINISHED.
        result: What a durable job answers.
    """

    def __init__(self, ledger: Books, job: Job) -> None:
        self.job = job
        self._progress_at = -PROGRESS_PERIOD
        self.is_stale = False
        self.outcome: tuple[JobStatus, JobFailure | None] | None = None
        self.result: Any = None
        self._ledger = ledger

    @property
    def uuid(self) -> UUID:
        """Identity of the job."""
        return self.job.uuid

    @property
    def number(self) -> str:
        """Number of the job; empty as long as it could not be recorded."""
        return self.job.number

    @property
    def ledger(self) -> Books:
        """Where it is recorded."""
        return self._ledger

    async def progress(
        self,
        fraction: float | None = None,
        message: str = "",
        *,
        done: int | None = None,
        total: int | None = None,
    ) -> None:
        """Say how far the job has come; `done` of `total` gives the fraction, if there is none.

        It may be called as often as one likes: what is said within a tenth of a second of the
        last record waits for the next one, and only the newest is kept.
        """
        if fraction is None and done is not None and total:
            fraction = done / total
        if fraction is not None:
            fraction = min(max(fraction, 0.0), 1.0)
        progress = JobProgress(fraction=fraction, message=message, done=done, total=total)
        if monotonic() - self._progress_at < PROGRESS_PERIOD:
            self._ledger.later_progress.keep(self, progress)
            return
        self._ledger.later_progress.take(self.uuid)
        self._progress_at = monotonic()
        await self._note(_job_table.report, progress=progress)

    async def log(self, *lines: str) -> None:
        """Add lines to the log of the job."""
        await self._note(_job_table.report, log=lines)

    async def value(self, key: str, value: Any, *, description: str | None = None) -> None:
        """Keep a value that the job has found: int, float, bool, text or JSON."""
        await self._note(_value_table.save, key, value, description=description)

    async def output(
        self, path: str | Path, param_name: str, *, file_type: str = "", annotation: str = ""
    ) -> File:
        """Register a file that the job has made, by its content as it is now.

        Raises:
            NotFoundError: If there is no such file.
            InputError: If its name cannot be kept.
            ConflictError: If the file is still being written, or the job was taken over.
            UnavailableError: If the store is away: what other jobs take for their input has to be
                there.
        """
        place = await to_thread.run_sync(lambda: Path(path).resolve())
        digest = await to_thread.run_sync(digest_of, place)
        file: File = await self._ledger.write(
            _file_table.add,
            self.uuid,
            place,
            digest,
            directory=Directory.JOB_DIR,
            file_type=file_type or place.suffix.lstrip("."),
            param_name=param_name,
            annotation=annotation,
            fence=self.job.fence,
        )
        return file

    async def input(self, file: UUID | File, param_name: str) -> None:
        """Note that the job uses a file that was registered before.

        Raises:
            NotFoundError: If there is no such file.
        """
        uuid = file if isinstance(file, UUID) else file.uuid
        await self._note(_file_table.use, uuid, param_name)

    def end_as(self, status: JobStatus, message: str = "") -> None:
        """Decide how the job ends if its block is left without an exception."""
        failure = None
        if status is not JobStatus.FINISHED:
            failure = JobFailure(reason="status", message=clean(message))
        self.outcome = (status, failure)

    def environment(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return an environment for a process whose jobs are to be nested in this one."""
        value = f"{self.uuid}@{self._ledger.name}"
        return {**(os.environ if base is None else base), VARIABLE: value}

    async def _note(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Record something on the way; a store that is away is told later."""
        if self.is_stale:
            return
        try:
            await self._ledger.note(work, self.uuid, *args, fence=self.job.fence, **kwargs)
        except _job_table.StaleError as error:
            self.lost(error)

    def lost(self, error: PegboardError) -> None:
        """Record nothing any more: somebody else has the job."""
        self.is_stale = True
        _logger.warning("%s", error)

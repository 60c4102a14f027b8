"""Tracking code that runs anyway: `async with app.jobs.track("title") as job`.

Whichever way the block is left, the record says so. The job that a block is nested in is found by a
context variable, which follows it into tasks and threads, and in another process by an environment
variable.
"""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, Token
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import UUID

import anyio
import msgspec
from anyio import to_thread
from anyio.lowlevel import current_token

from pegboard.contracts.job import JobDraft, JobFailure, JobProgress, JobStatus
from pegboard.errors import ConflictError, NotFoundError, PegboardError, UnavailableError
from pegboard_jobs import _file_table, _job_table, _value_table
from pegboard_jobs._digest import digest_of
from pegboard_jobs._file_table import Directory, File
from pegboard_jobs._ledger import Ledger, Look
from pegboard_jobs._post import poster
from pegboard_jobs._record import Job

__all__ = ["JobCancelledError", "Tracked", "Tracking", "current_job", "failure_of", "inside"]

VARIABLE = "PEGBOARD_JOB"
"""Environment variable that tells a process which job it works for."""

END_TIMEOUT = 10.0  # seconds that recording an end may delay who waits for the block
LONGEST_TRACEBACK = 20_000  # characters

_logger = logging.getLogger("pegboard.jobs")

_current: ContextVar[Tracked | None] = ContextVar("pegboard_job", default=None)


Settle = Callable[[Job, JobStatus, JobFailure | None], Awaitable[Job]]


class JobCancelledError(ConflictError):
    """The job was cancelled from elsewhere; its block was left early."""

    code = "cancelled"


class Tracked:
    """A job that runs, as its own code sees it.

    Attributes:
        job: The record as it was when the job began.
        is_stale: Whether somebody else has taken the job over: nothing is recorded any more.
        outcome: How it ends if its block is left without an exception; None for FINISHED.
        result: What a durable job answers.
    """

    def __init__(self, ledger: Ledger, job: Job) -> None:
        self.job = job
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
    def ledger(self) -> Ledger:
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
        """Say how far the job has come; `done` of `total` gives the fraction, if there is none."""
        if fraction is None and done is not None and total:
            fraction = done / total
        if fraction is not None:
            fraction = min(max(fraction, 0.0), 1.0)
        progress = JobProgress(fraction=fraction, message=message, done=done, total=total)
        await self._note(_job_table.report, fence=self.job.fence, progress=progress)

    async def log(self, *lines: str) -> None:
        """Add lines to the log of the job."""
        await self._note(_job_table.report, fence=self.job.fence, log=lines)

    async def value(self, key: str, value: Any, *, description: str | None = None) -> None:
        """Keep a value that the job has found: int, float, bool, text or JSON."""
        await self._note(_value_table.save, key, value, description=description)

    async def output(
        self, path: str | Path, param_name: str, *, file_type: str = "", annotation: str = ""
    ) -> File:
        """Register a file that the job has made.

        Raises:
            NotFoundError: If there is no such file.
            ConflictError: If the file is still being written.
            UnavailableError: If the store is away.
        """
        place = await to_thread.run_sync(lambda: Path(path).resolve())
        digest = await to_thread.run_sync(digest_of, place)
        return await self._ledger.store.write(
            _file_table.add,
            self.uuid,
            place,
            digest,
            directory=Directory.JOB_DIR,
            file_type=file_type or place.suffix.lstrip("."),
            param_name=param_name,
            annotation=annotation,
        )

    async def input(self, file: UUID | File, param_name: str) -> None:
        """Note that the job uses a file that was registered before.

        Raises:
            NotFoundError: If there is no such file.
            UnavailableError: If the store is away.
        """
        uuid = file if isinstance(file, UUID) else file.uuid
        await self._ledger.store.write(_file_table.use, self.uuid, uuid, param_name)

    def end_as(self, status: JobStatus, message: str = "") -> None:
        """Decide how the job ends if its block is left without an exception."""
        failure = None
        if status is not JobStatus.FINISHED:
            failure = JobFailure(reason="status", message=message)
        self.outcome = (status, failure)

    def environment(self, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return an environment for a process whose jobs are to be nested in this one."""
        value = f"{self.uuid}@{self._ledger.name}"
        return {**(os.environ if base is None else base), VARIABLE: value}

    async def _note(self, work: Any, *args: Any, **kwargs: Any) -> None:
        """Record something on the way; a store that is away is told later."""
        if self.is_stale:
            return
        if not len(self._ledger.pending):
            try:
                await self._ledger.store.write(work, self.uuid, *args, **kwargs)
            except UnavailableError:
                self._ledger.record_later(work, self.uuid, *args, **kwargs)
            except _job_table.StaleError as error:
                self._lost(error)
            return
        self._ledger.record_later(work, self.uuid, *args, **kwargs)

    def _lost(self, error: PegboardError) -> None:
        self.is_stale = True
        _logger.warning("%s", error)


class Tracking:
    """A block that is tracked, `async with` or, in a thread that may block, `with`.

    Attributes:
        tracked: The job, once the block was entered.
        was_asked: Whether somebody asked for its cancellation.
        settle: Records the end.

    Args:
        ledger: Where it is recorded.
        draft: The job; its parent is found where it names none.
        job: A job that runs already, in place of one that is made.
        look: Reads something else in the transaction that makes the job, of an `async with`.
        settle: Records the end in place of the ledger.
    """

    def __init__(
        self,
        ledger: Ledger,
        draft: JobDraft | None,
        *,
        job: Job | None = None,
        look: Look | None = None,
        settle: Settle | None = None,
    ) -> None:
        self._ledger = ledger
        self.settle: Settle = settle or ledger.end
        self._draft = draft
        self._job = job
        self._look = look
        self._scope: anyio.CancelScope | None = None  # none in a plain thread
        self.was_asked = False
        self._token: Token[Tracked | None] | None = None
        self.tracked: Tracked | None = None

    async def __aenter__(self) -> Tracked:
        """Begin.

        Raises:
            PegboardError: If the draft is wrong. A store that is away is no reason.
        """
        job = self._job
        if job is None:
            job = await self._begin()
        tracked = self._enter(job)
        post = poster(current_token())
        scope = self._scope = anyio.CancelScope()

        def cancel() -> None:
            self.was_asked = True
            post(scope.cancel)

        self._ledger.cancels[job.uuid] = cancel
        scope.__enter__()
        return tracked

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        tracked = self._leave()
        self._ledger.cancels.pop(tracked.uuid, None)
        was_asked = self.was_asked and _is_cancellation(error)
        status, failure = self._end(tracked, error)
        with anyio.move_on_after(END_TIMEOUT, shield=True) as limit:
            try:
                tracked.job = await self.settle(tracked.job, status, failure)
            except PegboardError as refusal:
                tracked._lost(refusal)  # noqa: SLF001 - of this module
        if limit.cancelled_caught:
            _logger.warning("the end of job %s is recorded late", tracked.number)
            self._ledger.record_later(
                _job_table.set_status,
                tracked.uuid,
                status,
                fence=tracked.job.fence,
                failure=failure,
            )
        swallowed = self._scope.__exit__(kind, error, trace) if self._scope else None
        if was_asked:
            msg = f"job {tracked.number} ({tracked.job.title}) was cancelled"
            raise JobCancelledError(msg) from None
        return swallowed

    def __enter__(self) -> Tracked:
        """Begin, in a thread that may block.

        Raises:
            PegboardError: If the draft is wrong. A store that is away is no reason.
        """
        job = self._job
        if job is None:
            try:
                job = self._ledger.begin_blocking(self._nested())
            except NotFoundError:
                job = self._ledger.begin_blocking(self._on_top())
        return self._enter(job)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        tracked = self._leave()
        status, failure = self._end(tracked, error)
        try:
            tracked.job = self._ledger.end_blocking(tracked.job, status, failure)
        except PegboardError as refusal:
            tracked._lost(refusal)  # noqa: SLF001 - of this module

    async def _begin(self) -> Job:
        try:
            return await self._ledger.begin(self._nested(), self._look)
        except NotFoundError:
            return await self._ledger.begin(self._on_top(), self._look)

    def _nested(self) -> JobDraft:
        draft = self._draft
        if draft is None:
            msg = "a block is tracked by a draft or by a job that runs"
            raise TypeError(msg)
        if draft.parent is None:
            parent = parent_for(self._ledger)
            draft = msgspec.structs.replace(draft, parent=parent)
        return draft

    def _on_top(self) -> JobDraft:
        """Return the draft for a parent that is gone, or of another project.

        Raises:
            NotFoundError: If the draft itself named that parent.
        """
        draft = self._draft
        if draft is None or draft.parent is not None:
            msg = f"there is no job {draft.parent if draft else None} to nest another in"
            raise NotFoundError(msg)
        return draft

    def _enter(self, job: Job) -> Tracked:
        self.tracked = Tracked(self._ledger, job)
        self._token = _current.set(self.tracked)
        return self.tracked

    def _leave(self) -> Tracked:
        if self._token is None or self.tracked is None:
            msg = "this block was not entered"
            raise RuntimeError(msg)
        _current.reset(self._token)
        return self.tracked

    def _end(
        self, tracked: Tracked, error: BaseException | None
    ) -> tuple[JobStatus, JobFailure | None]:
        if error is not None:
            return failure_of(error)
        return tracked.outcome or (JobStatus.FINISHED, None)


def failure_of(error: BaseException) -> tuple[JobStatus, JobFailure]:
    """Return what an exception that left a block makes of its job."""
    if _is_cancellation(error):
        return JobStatus.INTERRUPTED, JobFailure(reason="cancelled", type=type(error).__name__)
    text = "".join(traceback.format_exception(error))[-LONGEST_TRACEBACK:]
    reason = "deadline" if isinstance(error, TimeoutError) else "exception"
    if isinstance(error, SystemExit):
        reason = "exit"
    failure = JobFailure(
        reason=reason, type=type(error).__name__, message=str(error), traceback=text
    )
    return JobStatus.FAILED, failure


def _is_cancellation(error: BaseException | None) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(_is_cancellation(each) for each in error.exceptions)
    if isinstance(error, (KeyboardInterrupt, GeneratorExit)):
        return True
    try:
        return isinstance(error, anyio.get_cancelled_exc_class())
    except RuntimeError:  # no event loop runs here
        return False


def current_job() -> Tracked | None:
    """Return the job that this code runs in, None where there is none."""
    return _current.get()


@contextmanager
def inside(tracked: Tracked) -> Iterator[None]:
    """Run the block as part of a job that somebody else tracks."""
    token = _current.set(tracked)
    try:
        yield
    finally:
        _current.reset(token)


def parent_for(ledger: Ledger) -> UUID | None:
    """Return the job of a store that this code runs in, or that this process works for."""
    tracked = _current.get()
    if tracked is not None:
        return tracked.uuid if tracked.ledger is ledger else None
    job, _, name = os.environ.get(VARIABLE, "").partition("@")
    return UUID(job) if name == ledger.name else None

"""Tracking code that runs anyway: `async with app.jobs.track("title") as job`.

Whichever way the block is left, the record says so. The job that a block is nested in is found by a
context variable, which follows it into tasks and threads, and in another process by an environment
variable.
"""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from types import TracebackType
from uuid import UUID

import anyio
import msgspec
from anyio.lowlevel import current_token

from pegboard.contracts.job import JobDraft, JobFailure, JobStatus
from pegboard.errors import ConflictError, NotFoundError, PegboardError
from pegboard_database import Changes
from pegboard_jobs._books import Books
from pegboard_jobs._end import End
from pegboard_jobs._ledger import Look
from pegboard_jobs._post import poster
from pegboard_jobs._record import Job, now
from pegboard_jobs._text import clean, text_of
from pegboard_jobs._tracked import VARIABLE, Tracked

__all__ = ["JobCancelledError", "Tracked", "Tracking", "current_job", "failure_of", "inside"]

END_TIMEOUT = 10.0  # seconds that recording an end may delay who waits for the block
LONGEST_TRACEBACK = 20_000  # characters

_logger = logging.getLogger("pegboard.jobs")

_current: ContextVar[Tracked | None] = ContextVar("pegboard_job", default=None)

Ending = Callable[[Job, JobStatus, JobFailure | None], Callable[[Changes], Job]]
"""Makes the piece of work that records an end."""


class JobCancelledError(ConflictError):
    """The job was cancelled from elsewhere; its block was left early."""

    code = "cancelled"


class Tracking:
    """A block that is tracked, `async with` or, in a thread that may block, `with`.

    Attributes:
        tracked: The job, once the block was entered.
        was_asked: Whether somebody asked for its cancellation.

    Args:
        ledger: Where it is recorded.
        draft: The job; its parent is found where it names none.
        job: A job that runs already, in place of one that is made.
        look: Reads something else in the transaction that makes the job, of an `async with`.
        ending: Says how the end is recorded, in place of the usual way.
    """

    def __init__(
        self,
        ledger: Books,
        draft: JobDraft | None,
        *,
        job: Job | None = None,
        look: Look | None = None,
        ending: Ending | None = None,
    ) -> None:
        self.was_asked = False
        self.tracked: Tracked | None = None
        self._ledger = ledger
        self._draft = draft
        self._job = job
        self._look = look
        self._ending = ending
        self._scope: anyio.CancelScope | None = None  # none in a plain thread
        self._token: Token[Tracked | None] | None = None

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

        scope.__enter__()
        self._ledger.cancels.add(job.uuid, cancel)
        return tracked

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        tracked, swallowed = self._leave(), None
        self._ledger.cancels.remove(tracked.uuid)
        was_asked = self.was_asked and _is_cancellation(error)
        try:
            await self._record_end(tracked, error)
        finally:
            if self._scope is not None:
                swallowed = self._scope.__exit__(kind, error, trace)
        if was_asked:
            msg = f"job {tracked.number} ({tracked.job.title}) was cancelled"
            raise JobCancelledError(msg) from None
        return swallowed

    async def _record_end(self, tracked: Tracked, error: BaseException | None) -> None:
        end = self._end(tracked, error)
        with anyio.move_on_after(END_TIMEOUT, shield=True) as limit:
            try:
                tracked.job = await self._ledger.end(end) or tracked.job
            except PegboardError as refusal:
                tracked.lost(refusal)
        if limit.cancelled_caught:
            _logger.warning("the end of job %s is recorded late", tracked.number)
            self._ledger.end_later(end)

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
        try:
            tracked.job = self._ledger.end_blocking(self._end(tracked, error)) or tracked.job
        except PegboardError as refusal:
            tracked.lost(refusal)

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

    def _end(self, tracked: Tracked, error: BaseException | None) -> End:
        status, failure = tracked.outcome or (JobStatus.FINISHED, None)
        if error is not None:
            status, failure = failure_of(error)
        return End(
            job=tracked.job,
            status=status,
            failure=failure,
            time=now(),
            progress=self._ledger.later_progress.take(tracked.uuid),
            work=self._ending and self._ending(tracked.job, status, failure),
        )


def failure_of(error: BaseException) -> tuple[JobStatus, JobFailure]:
    """Return what an exception that left a block makes of its job."""
    if _is_cancellation(error):
        return JobStatus.INTERRUPTED, JobFailure(reason="cancelled", type=type(error).__name__)
    text = "".join(traceback.format_exception(error))[-LONGEST_TRACEBACK:]
    reason = "deadline" if isinstance(error, TimeoutError) else "exception"
    if isinstance(error, SystemExit):
        reason = "exit"
    failure = JobFailure(
        reason=reason,
        type=type(error).__name__,
        message=text_of(error),
        traceback=clean(text),
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


def parent_for(ledger: Books) -> UUID | None:
    """Return the job of a store that this code runs in, or that this process works for."""
    tracked = _current.get()
    if tracked is not None:
        return tracked.uuid if tracked.ledger is ledger else None
    job, _, name = os.environ.get(VARIABLE, "").partition("@")
    return UUID(job) if name == ledger.name else None

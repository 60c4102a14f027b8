"""The engine: runs what was submitted, in this process, with others that do the same.

Everything that matters is in the store. A process takes what is due, with a fence that nobody has
seen; if it dies, the watchman of another one gives its jobs back, and they are taken again.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import anyio
import msgspec
from anyio.abc import TaskGroup

from pegboard import ANONYMOUS, CallContext, Result, Session, current_session
from pegboard.contracts.job import (
    JobDraft,
    JobFailure,
    JobOrder,
    JobStatus,
    RetryPolicy,
)
from pegboard.errors import NotFoundError, PegboardError, UnavailableError
from pegboard_database import Changes, Rows
from pegboard_jobs import _event_table, _job_table, _queue_table
from pegboard_jobs._ledger import Ledger
from pegboard_jobs._option import JobOptions
from pegboard_jobs._record import Job, now
from pegboard_jobs._tracking import JobCancelledError, Tracking
from pegboard_jobs.config import JobsConfig

if TYPE_CHECKING:
    from pegboard import App

__all__ = ["LocalEngine", "order_for", "running_order"]

LONGEST_WAIT = 30.0  # seconds until the engine looks again, whatever happens
AFTER_FAILURE = 0.5  # seconds until it asks a store again that is away
LARGEST_RESULT = 1_048_576  # bytes of a result that is kept

_logger = logging.getLogger("pegboard.jobs")

running_order: ContextVar[UUID | None] = ContextVar("pegboard_job_order", default=None)
"""The durable job that the engine calls an export for: that call is not queued once more."""


def order_for(app: App, target: str, arguments: dict[str, Any], **more: Any) -> JobOrder:
    """Return an order for an export, with what its declaration says about jobs.

    Raises:
        NotFoundError: If there is no such export.
        InputError: If the arguments do not fit it.
    """
    slot = app.registry.table.get(target)
    export = None if slot is None else slot.export
    if export is None:
        msg = f"there is no export {target} to run as a job"
        raise NotFoundError(msg)
    export.binding.bind(dict(arguments), strict=True)
    options, session = export.option(JobOptions), current_session()
    return JobOrder(
        target=target,
        arguments=arguments,
        queue=options.queue,
        timeout=options.timeout or None,
        retry=RetryPolicy(attempts=options.retries + 1),
        limit=options.concurrency or None,
        session=None if session is ANONYMOUS else _kept(session),
        **more,
    )


def _kept(session: Session) -> dict[str, Any]:
    """Return who asks, without what would let somebody else ask in their name."""
    told: dict[str, Any] = msgspec.to_builtins(session)
    return {name: value for name, value in told.items() if name not in {"session_id", "SiID"}}


class LocalEngine:
    """Runs durable jobs of a store in an app; implements `JobEngine`.

    Args:
        app: The app whose exports are called.
        ledger: The store.
        config: How many at once, and which.
    """

    def __init__(self, app: App, ledger: Ledger, config: JobsConfig) -> None:
        self._app = app
        self._ledger = ledger
        self._config = config
        self._counts: Counter[str] = Counter()
        self._busy = 0
        self._freed = anyio.Event()

    # -- JobEngine ---------------------------------------------------------------------------

    async def submit(self, draft: JobDraft) -> Job:
        """Keep a draft; see `JobEngine.submit`."""
        job = await self._ledger.store.create(draft)
        self._counts["submitted"] += 1
        return job

    async def cancel(self, uuid: UUID) -> Job:
        """Ask a job to stop; see `JobEngine.cancel`."""
        return await self._ledger.store.write(_queue_table.cancel, uuid)

    async def retry(self, uuid: UUID) -> Job:
        """Queue a job again; see `JobEngine.retry`."""
        return await self._ledger.store.write(_queue_table.retry, uuid)

    def running(self) -> AbstractAsyncContextManager[None]:
        """Work while the block runs; see `JobEngine.running`."""
        return self._running()

    def statistics(self) -> dict[str, int]:
        """Return what this process has done; see `JobEngine.statistics`."""
        names = ("submitted", "started", "finished", "failed", "retried")
        return {"running": self._busy, **{name: self._counts[name] for name in names}}

    # -- working -----------------------------------------------------------------------------

    @asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        async with anyio.create_task_group() as jobs:
            async with anyio.create_task_group() as watch:
                watch.start_soon(self._dispatch, jobs)
                try:
                    yield
                finally:
                    watch.cancel_scope.cancel()
            with anyio.move_on_after(self._config.stop_timeout, shield=True):
                while self._busy:
                    await self._next_freed()
            jobs.cancel_scope.cancel()

    async def _dispatch(self, jobs: TaskGroup) -> None:
        """Take what is due whenever there is room, until cancelled."""
        while True:
            try:
                await self._dispatch_once(jobs)
            except UnavailableError as error:
                _logger.warning("durable jobs wait: %s", error)
                await anyio.sleep(AFTER_FAILURE)

    async def _dispatch_once(self, jobs: TaskGroup) -> None:
        free = self._config.workers - self._busy
        if free <= 0:
            await self._next_freed()
            return
        last, due = await self._ledger.store.read(_state)
        if due is not None and due <= now():
            for job in await self._claim(free):
                self._busy += 1
                self._counts["started"] += 1
                jobs.start_soon(self._run, job, name=f"job {job.number}")
            # what stays is full at the moment, or belongs to queues of others
            due = None
        pause = LONGEST_WAIT if due is None else min(max(due - now(), 0), LONGEST_WAIT)
        await self._wait(last, pause)

    async def _claim(self, free: int) -> list[Job]:
        runner = await self._ledger.join()
        return await self._ledger.store.write(
            _claim_due,
            runner.uuid,
            runner.process,
            most=free,
            queues=self._config.queues,
        )

    async def _wait(self, last: int, pause: float) -> None:
        """Wait for an event in the store, or for the time."""
        await self._ledger.store.watch.wait(last, timeout=pause)

    async def _next_freed(self) -> None:
        self._freed = anyio.Event()
        await self._freed.wait()

    async def _run(self, job: Job) -> None:
        """Run a job that was taken; whatever it does, the engine goes on."""
        tracking = Tracking(self._ledger, None, job=job)
        tracking.settle = partial(self._settle, tracking)
        token = running_order.set(job.uuid)
        try:
            async with tracking as tracked:
                order = job.order or JobOrder(target=job.task_name)
                with anyio.fail_after(_seconds_left(order)):
                    tracked.result = await self._call(order)
        except JobCancelledError:
            self._counts["cancelled"] += 1
        except (Exception, SystemExit) as error:  # noqa: BLE001 - recorded, and not the engine's
            _logger.warning("job %s (%s) failed: %s", job.number, job.title, error)
        finally:
            running_order.reset(token)
            self._busy -= 1
            self._freed.set()

    async def _call(self, order: JobOrder) -> Any:
        slot = self._app.registry.table.get(order.target)
        if slot is None or slot.export is None:
            msg = f"there is no export {order.target} any more"
            raise NotFoundError(msg)
        args, kwargs = slot.export.binding.bind(dict(order.arguments), strict=True)
        context = _context(self._app, order)
        result: Result[Any] = await self._app.invoke(slot, context, args, kwargs)
        if result.tasks:
            self._app.run_tasks(result)
        if result.is_error():
            error = result.__dict__.get("exception")
            raise error if error is not None else PegboardError(result.info.help_text)
        return result.result.data

    async def _settle(
        self, tracking: Tracking, job: Job, status: JobStatus, failure: JobFailure | None
    ) -> Job:
        """Record the end of an attempt, which need not be that of the job."""
        later = self._ledger.record_later
        work, values = self._ending(tracking, job, status, failure)
        try:
            settled: Job = await self._ledger.store.write(work, *values)
        except UnavailableError:
            later(work, *values)
            return job
        name = {JobStatus.FINISHED: "finished", JobStatus.QUEUED: "retried"}
        self._counts[name.get(settled.status, "failed")] += 1
        return settled

    def _ending(
        self, tracking: Tracking, job: Job, status: JobStatus, failure: JobFailure | None
    ) -> tuple[Any, tuple[Any, ...]]:
        if status is JobStatus.FINISHED:
            result = tracking.tracked.result if tracking.tracked else None
            return _finish, (job.uuid, job.fence, _plain(result))
        if status is JobStatus.FAILED:
            return _queue_table.fail, (job.uuid, job.fence, failure)
        if status is JobStatus.INTERRUPTED and not tracking.was_asked:
            return _put_back, (job.uuid, job.fence)
        return _end, (job.uuid, job.fence, status, failure)


def _state(rows: Rows) -> tuple[int, float | None]:
    """Return the number of the last event, and when something is due."""
    return _event_table.last(rows), _queue_table.next_due(rows)


def _claim_due(changes: Changes, *claimed: Any, **limits: Any) -> list[Job]:
    """Queue what schedules say and take what is due, in one transaction."""
    _queue_table.release_due(changes)
    return _queue_table.claim(changes, *claimed, **limits)


def _finish(changes: Any, uuid: UUID, fence: int, result: Any) -> Job:
    return _job_table.set_status(changes, uuid, JobStatus.FINISHED, fence=fence, result=result)


def _end(
    changes: Any, uuid: UUID, fence: int, status: JobStatus, failure: JobFailure | None
) -> Job:
    return _job_table.set_status(changes, uuid, status, fence=fence, failure=failure)


def _put_back(changes: Any, uuid: UUID, fence: int) -> Job:
    """Let another process begin again with what this one could not end before it stopped."""
    why = JobFailure(reason="exit", message="its process stopped before it was done")
    return _job_table.set_status(changes, uuid, JobStatus.QUEUED, fence=fence, failure=why)


def _seconds_left(order: JobOrder) -> float | None:
    limits = [] if order.timeout is None else [order.timeout]
    if order.deadline is not None:
        limits.append(max((order.deadline - datetime.now(UTC)).total_seconds(), 0))
    return min(limits, default=None)


def _context(app: App, order: JobOrder) -> CallContext:
    if order.session is None:
        return CallContext(app)
    return CallContext(app, msgspec.convert(order.session, Session))


def _plain(value: Any) -> Any:
    """Return a result as it can be kept, or a note that it cannot."""
    try:
        plain = msgspec.to_builtins(value, str_keys=True)
        size = len(msgspec.json.encode(plain))
    except (TypeError, ValueError, RecursionError):
        return {"omitted": f"a {type(value).__name__} that is no JSON"}
    if size > LARGEST_RESULT:
        return {"omitted": f"{size} bytes; register a file"}
    return plain

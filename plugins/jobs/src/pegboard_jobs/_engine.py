"""The engine: runs what was submitted, in this process, with others that do the same.

Everything that matters is in the store. A process takes what is due, with a fence that nobody has
seen; if it dies, the watchman of another one gives its jobs back, and they are taken again.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable
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
from pegboard.errors import NotFoundError, PegboardError
from pegboard_database import Changes, Rows
from pegboard_jobs import _event_table, _job_table, _queue_table
from pegboard_jobs._ledger import Ledger
from pegboard_jobs._option import JobOptions
from pegboard_jobs._record import Job, now
from pegboard_jobs._text import text_of
from pegboard_jobs._tracked import Tracked
from pegboard_jobs._tracking import JobCancelledError, Tracking
from pegboard_jobs.config import JobsConfig

if TYPE_CHECKING:
    from pegboard import App, Export, Slot

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
    told: dict[str, Any] = msgspec.to_builtins(session.to_dict())
    return {name: value for name, value in told.items() if name not in {"session_id", "SiID"}}


class LocalEngine:
    """Runs durable jobs of a store in an app; implements `JobEngine`.

    Attributes:
        missing: Exports that jobs wait for and that are not there.

    Args:
        app: The app whose exports are called.
        ledger: The store.
        config: How many at once, and which.
    """

    def __init__(self, app: App, ledger: Ledger, config: JobsConfig) -> None:
        self._app = app
        self._ledger = ledger
        self._config = config
        self.missing: frozenset[str] = frozenset()
        self._counts: Counter[str] = Counter()
        self._busy = 0
        self._has_new = False
        self._is_working = False
        self._freed = anyio.Event()

    # -- JobEngine ---------------------------------------------------------------------------

    async def submit(self, draft: JobDraft) -> Job:
        """Keep a draft; see `JobEngine.submit`."""
        job = await self._ledger.store.create(draft)
        self._counts["submitted"] += 1
        if self._is_working and (draft.order is None or draft.order.run_at is None):
            self._has_new = True  # no need to ask the store whether something is due
            self._ledger.store.watch.wake()
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
                watch.start_soon(self._end_at_stop, watch.cancel_scope)
                try:
                    yield
                finally:
                    watch.cancel_scope.cancel()
            with anyio.move_on_after(self._config.stop_timeout, shield=True):
                while self._busy:
                    await self._next_freed()
            jobs.cancel_scope.cancel()

    async def _dispatch(self, jobs: TaskGroup) -> None:
        """Take what is due whenever there is room, from when all mods are loaded till the stop."""
        await self._app.started.wait()
        self._is_working = True
        while True:
            try:
                await self._dispatch_once(jobs)
            except PegboardError as error:
                _logger.warning("durable jobs wait: %s", error)
                await anyio.sleep(AFTER_FAILURE)

    async def _end_at_stop(self, scope: anyio.CancelScope) -> None:
        await self._app.stopping.wait()
        scope.cancel()

    async def _dispatch_once(self, jobs: TaskGroup) -> None:
        free = self._config.workers - self._busy
        if free <= 0:
            await self._next_freed()
            return
        if self._has_new:
            self._has_new = False
            await self._begin(jobs, free)
            return
        last, is_due, later = await self._ledger.store.read(_state, now())
        if is_due:
            await self._begin(jobs, free)
        # what stays is full at the moment, or belongs to others: an event says when that changes
        pause = LONGEST_WAIT if later is None else min(max(later - now(), 0), LONGEST_WAIT)
        await self._wait(last, pause)

    async def _begin(self, jobs: TaskGroup, free: int) -> None:
        for job in await self._claim(free):
            self._busy += 1
            self._counts["started"] += 1
            jobs.start_soon(self._run, job, name=f"job {job.number}")

    async def _claim(self, free: int) -> list[Job]:
        """Take what is due and can run here; what is taken is begun, even while the app stops."""
        runner = await self._ledger.join()
        table = self._app.registry.table
        with anyio.CancelScope(shield=True):
            jobs, missing = await self._ledger.store.write(
                _claim_due,
                runner.uuid,
                runner.process,
                most=free,
                queues=self._config.queues,
                can_run=lambda target: target in table and table[target].export is not None,
            )
        if missing - self.missing:
            _logger.error("jobs wait for exports that are not there: %s", ", ".join(missing))
        self.missing = missing
        return jobs

    async def _wait(self, last: int, pause: float) -> None:
        """Wait for an event in the store, for something submitted here, or for the time."""
        if not self._has_new:
            await self._ledger.store.watch.wait(last, timeout=pause)

    async def _next_freed(self) -> None:
        self._freed = anyio.Event()
        await self._freed.wait()

    async def _run(self, job: Job) -> None:
        """Run a job that was taken; whatever it does, the engine goes on."""
        order = job.order or JobOrder(target=job.task_name)
        tracking = Tracking(
            self._ledger, None, job=job, ending=lambda *end: _ending(tracking, *end)
        )
        token = running_order.set(job.uuid)
        try:
            slot = self._app.registry.table.get(order.target)
            if slot is None or slot.export is None:  # its mod went after the job was taken
                back = partial(_queue_table.put_back, uuid=job.uuid, fence=job.fence)
                with anyio.CancelScope(shield=True):
                    await self._ledger.end(back)
                return
            async with tracking as tracked:
                with anyio.fail_after(_seconds_left(order)):
                    tracked.result = await self._call(slot, slot.export, order)
        except JobCancelledError:
            self._counts["cancelled"] += 1
        except (Exception, SystemExit) as error:  # noqa: BLE001 - recorded, and not the engine's
            _logger.warning("job %s (%s) failed: %s", job.number, job.title, text_of(error))
        finally:
            running_order.reset(token)
            self._count(tracking.tracked)
            self._busy -= 1
            self._freed.set()

    def _count(self, tracked: Tracked | None) -> None:
        names = {JobStatus.FINISHED: "finished", JobStatus.QUEUED: "retried"}
        if tracked is not None and tracked.job.status is not JobStatus.RUNNING:
            self._counts[names.get(tracked.job.status, "failed")] += 1

    async def _call(self, slot: Slot, export: Export, order: JobOrder) -> Any:
        args, kwargs = export.binding.bind(dict(order.arguments), strict=True)
        context = _context(self._app, order)
        result: Result[Any] = await self._app.invoke(slot, context, args, kwargs)
        if result.tasks:
            self._app.run_tasks(result)
        if result.is_error():
            error = result.__dict__.get("exception")
            raise error if error is not None else PegboardError(result.info.help_text)
        return result.result.data


def _state(rows: Rows, time: float) -> tuple[int, bool, float | None]:
    """Return the last event's number, whether something is due, and when the next thing will be."""
    last = _event_table.last(rows)
    return last, _queue_table.is_due(rows, time), _queue_table.next_due(rows, time)


def _claim_due(changes: Changes, *claimed: Any, **limits: Any) -> tuple[list[Job], frozenset[str]]:
    """Queue what schedules say and take what is due, in one transaction."""
    _queue_table.release_due(changes)
    return _queue_table.claim(changes, *claimed, **limits)


def _ending(
    tracking: Tracking, job: Job, status: JobStatus, failure: JobFailure | None
) -> Callable[[Changes], Job]:
    """Return how the end of an attempt is recorded, which need not be that of the job."""
    if status is JobStatus.FINISHED:
        result = tracking.tracked.result if tracking.tracked else None
        return _end(job, status, None, result=_plain(result))
    if status is JobStatus.FAILED and failure is not None:
        return partial(_queue_table.fail, uuid=job.uuid, fence=job.fence, failure=failure)
    if status is JobStatus.INTERRUPTED and not tracking.was_asked:
        return partial(_queue_table.put_back, uuid=job.uuid, fence=job.fence)
    return _end(job, status, failure)


def _end(
    job: Job, status: JobStatus, failure: JobFailure | None, *, result: Any = None
) -> Callable[[Changes], Job]:
    return partial(
        _job_table.end,
        job=job,
        status=status,
        failure=failure,
        finish_time=now(),
        result=result,
    )


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

"""`app.jobs`: what mods and other plugins call."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from pegboard import current_session
from pegboard.contracts.job import (
    JobDraft,
    JobEngine,
    JobOrder,
    JobStatus,
    RetryPolicy,
)
from pegboard.errors import ConfigError, InputError
from pegboard_jobs import (
    _file_table,
    _queue_table,
)
from pegboard_jobs._books import Books
from pegboard_jobs._file_table import Role
from pegboard_jobs._guest_books import GuestBooks
from pegboard_jobs._handler import AsyncDatabaseHandler
from pegboard_jobs._job_view import JobView
from pegboard_jobs._ledger import Ledger
from pegboard_jobs._project_table import DEFAULT_PROJECT
from pegboard_jobs._queue_table import Schedule
from pegboard_jobs._record import Job
from pegboard_jobs._retention import collect, delete
from pegboard_jobs._tracking import Tracked, Tracking, current_job

if TYPE_CHECKING:
    from pegboard import App

__all__ = ["Jobs"]


class Jobs(JobView):
    """The jobs of one app.

    Attributes:
        ledger: Where they are kept.

    Args:
        app: The app.
        ledger: Where they are kept.
        engine: What runs durable ones.
    """

    def __init__(self, app: App, ledger: Ledger, engine: JobEngine) -> None:
        super().__init__(app, ledger)
        self._engine = engine
        self._guests: dict[int, GuestBooks] = {}

    # -- tracking ----------------------------------------------------------------------------

    def track(
        self,
        title: str,
        *,
        task_name: str | None = None,
        project: UUID | None = None,
        parent: UUID | None = None,
        tags: Sequence[str] = (),
        kind: str = "tracked",
    ) -> Tracking:
        """Track a block: `async with app.jobs.track("title") as job`.

        In a plain function, which runs in a worker thread, `with` does the same.

        Args:
            title: What people read.
            task_name: What runs; the title by default.
            project: The project; that of the job around it, or the default one.
            parent: The job that it is nested in; the one around it by default.
            tags: Words to find it by.
            kind: `tracked`, or `task` for what runs after a response.
        """
        around = current_job()
        if project is None:
            is_known = around is not None and around.ledger in {self.ledger, *self._guests.values()}
            project = around.job.project if around is not None and is_known else DEFAULT_PROJECT
        draft = JobDraft(
            project=project,
            task_name=task_name or title,
            title=title,
            parent=parent,
            status=JobStatus.RUNNING,
            kind=kind,
            owner=current_session().user_id,
            tags=tuple(tags),
        )
        return Tracking(self._books(project), draft)

    def forget_stores(self) -> None:
        """Ask again where jobs are tracked: plugins have changed."""
        self._stores.clear()
        self._guests.clear()

    def _books(self, project: UUID) -> Books:
        store = self.store(project)
        if store is self.ledger.store:
            return self.ledger
        return self._guests.setdefault(id(store), GuestBooks(store))

    @property
    def current(self) -> Tracked | None:
        """The job that this code runs in, None where there is none."""
        return current_job()

    def handler(self, project: UUID | str = DEFAULT_PROJECT) -> AsyncDatabaseHandler:
        """Return the documented handler for a project.

        Raises:
            ConfigError: If the jobs of the project are tracked by another plugin.
        """
        if self.store(UUID(str(project))) is not self.ledger.store:
            msg = f"project {project} is tracked by another plugin: use app.jobs.track(project=...)"
            raise ConfigError(msg)
        return AsyncDatabaseHandler(project, ledger=self.ledger)

    # -- running -----------------------------------------------------------------------------

    async def submit(
        self,
        target: str,
        /,
        *,
        title: str | None = None,
        project: UUID = DEFAULT_PROJECT,
        parent: UUID | None = None,
        tags: Sequence[str] = (),
        queue: str | None = None,
        priority: int = 0,
        run_at: datetime | None = None,
        timeout: float | None = None,
        deadline: datetime | None = None,
        retry: RetryPolicy | None = None,
        key: str | None = None,
        limit: int | None = None,
        **arguments: Any,
    ) -> Job:
        """Queue a call of an export: when this returns, it will run, even if this process dies.

        It runs at least once; its end is recorded exactly once. What it does has to bear being
        begun twice, if its process is killed in the middle.

        Args:
            target: Address of the export: `Mod.fn`.
            title: What people read.
            project: The project.
            parent: The job that it is nested in.
            tags: Words to find it by.
            queue: Its queue, that of the export by default.
            priority: The higher, the sooner.
            run_at: When to run it.
            timeout: Seconds that one attempt may take.
            deadline: When it is given up.
            retry: When to try again.
            key: Idempotency key: a second call with the same key is the first job.
            limit: Jobs of this queue that run at once everywhere.
            arguments: The arguments of the export; those of its parameters that are called like
                one of the above go into `arguments={...}`.

        Raises:
            NotFoundError: If there is no such export.
            InputError: If the arguments do not fit it, or cannot be kept as JSON.
            UnavailableError: If the store is away: it will not run.
        """
        inner = arguments.pop("arguments", None)
        values = {**(inner or {}), **arguments}
        order = self._order(target, values, key=key, run_at=run_at, deadline=deadline)
        given = {
            "queue": queue,
            "timeout": timeout,
            "retry": retry,
            "limit": limit,
            "priority": priority or None,
        }
        chosen = {name: value for name, value in given.items() if value is not None}
        return await self._engine.submit(
            JobDraft(  # type: ignore[return-value]  # our engine answers with our records
                project=project,
                task_name=target,
                title=title,
                parent=parent,
                status=JobStatus.QUEUED,
                kind="durable",
                owner=current_session().user_id,
                tags=tuple(tags),
                order=msgspec.structs.replace(order, **chosen),
            )
        )

    def _order(self, target: str, arguments: dict[str, Any], **more: Any) -> JobOrder:
        from pegboard_jobs._engine import order_for

        try:
            plain = msgspec.to_builtins(arguments, str_keys=True)
        except TypeError as error:
            msg = f"the arguments of {target} cannot be kept: {error}"
            raise InputError(msg) from error
        return order_for(self._app, target, plain, **more)

    async def cancel(self, job: UUID) -> Job:
        """Ask a job, and what is nested in it, to stop.

        Raises:
            NotFoundError: If there is no such job.
        """
        return await self.ledger.store.write(_queue_table.cancel, job)

    async def retry(self, job: UUID) -> Job:
        """Queue a durable job again that has ended without success.

        Raises:
            NotFoundError: If there is no such job.
            ConflictError: If it has not ended so, or is not durable.
        """
        return await self._engine.retry(job)  # type: ignore[return-value]  # as above

    async def again(self, job: UUID) -> Job:
        """Queue a new job with the target, arguments and inputs of a durable one.

        Raises:
            NotFoundError: If there is no such job.
            InputError: If it is not durable.
        """
        model = await self.get(job)
        if model.order is None:
            msg = f"job {model.number} is not durable: run its code again"
            raise InputError(msg)
        order = msgspec.structs.replace(model.order, key=None, run_at=None, deadline=None)
        made = await self._engine.submit(
            JobDraft(
                project=model.project,
                task_name=model.task_name,
                title=model.title,
                status=JobStatus.QUEUED,
                kind="durable",
                owner=current_session().user_id,
                tags=("again",),
                order=order,
            )
        )
        await self.ledger.store.write(_copy_inputs, job, made.uuid)
        return await self.get(made.uuid)

    async def schedule(
        self,
        name: str,
        cron: str,
        target: str,
        /,
        *,
        zone: str = "UTC",
        project: UUID = DEFAULT_PROJECT,
        **arguments: Any,
    ) -> Schedule:
        """Run an export again and again, in place of the schedule of that name.

        Args:
            name: Name of the schedule.
            cron: When: minute, hour, day, month, day of the week.
            target: Address of the export.
            zone: Time zone of `cron`.
            project: The project of its jobs.
            arguments: The arguments of the export.

        Raises:
            NotFoundError: If there is no such export.
            InputError: If `cron`, the zone or the arguments are wrong.
        """
        order = self._order(target, arguments)
        return await self.ledger.store.write(
            _queue_table.save_schedule, name, cron, order, project=project, zone=zone
        )

    async def unschedule(self, name: str) -> bool:
        """End a schedule; False if there is none of that name."""
        return await self.ledger.store.write(_queue_table.remove_schedule, name)

    async def schedules(self) -> list[Schedule]:
        """Return all schedules."""
        return await self.ledger.store.read(_queue_table.schedules)

    # -- keeping order -----------------------------------------------------------------------

    async def delete(self, job: UUID) -> int:
        """Delete a job with all that is nested in it; return how many that were.

        Raises:
            NotFoundError: If there is none.
            ConflictError: If one of them has not ended.
        """
        return await self.ledger.store.write(delete, job)

    async def collect(self, days: float) -> int:
        """Delete what ended more than `days` ago, in small steps; return how many jobs."""
        deleted = 0
        while True:
            some = await self.ledger.store.write(collect, days)
            if not some:
                return deleted
            deleted += some

    @property
    def missing(self) -> Sequence[str]:
        """Exports that durable jobs wait for and that are not there."""
        return sorted(getattr(self._engine, "missing", ()))

    def statistics(self) -> dict[str, int]:
        """Return what the engine of this process does, and how many records wait for the store."""
        return {**self._engine.statistics(), "pending": len(self.ledger.pending)}


def _copy_inputs(changes: Any, source: UUID, target: UUID) -> None:
    for used in _file_table.uses(changes, jobs=[source]):
        if used.role is Role.IN:
            _file_table.use(changes, target, used.file, used.job_param_name)

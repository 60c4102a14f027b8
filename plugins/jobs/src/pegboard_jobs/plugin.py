"""The hooks of this plugin: start reading here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from anyio import to_thread

from pegboard import HealthCheck, hookimpl
from pegboard.contracts.job import JobEngine, JobStore
from pegboard_jobs._default import offered, withdrawn
from pegboard_jobs._engine import LocalEngine
from pegboard_jobs._errand import attend, tidy
from pegboard_jobs._layer import BackgroundLayer, TrackLayer, tracked_task
from pegboard_jobs._opening import open_ledger
from pegboard_jobs._option import JobOptions
from pegboard_jobs._service import Jobs
from pegboard_jobs.config import JobsConfig

if TYPE_CHECKING:
    import click

    from pegboard import App, Export
    from pegboard.contracts.call import Layer
    from pegboard_jobs._ledger import Ledger

__all__ = ["plugin"]

FOLDER = "jobs"
"""Folder below the app's data."""


class JobsPlugin:
    """Tracks jobs and runs durable ones: nested, crash-proof, on SQLite or PostgreSQL."""

    def __init__(self) -> None:
        self._jobs: WeakKeyDictionary[App, Jobs] = WeakKeyDictionary()

    @hookimpl
    def config_schema(self) -> type[JobsConfig]:
        """Name the settings of `[plugins.jobs]`."""
        return JobsConfig

    @hookimpl
    def export_options(self) -> type[JobOptions]:
        """Name `job`, `background` and what belongs to them."""
        return JobOptions

    @hookimpl
    def lifespan(self, app: App) -> AbstractAsyncContextManager[None]:
        """Open the store, give `app.jobs`, and work on durable jobs."""
        return self._running(app)

    @hookimpl
    def register_export(self, app: App, export: Export) -> Layer | None:
        """Track or queue the calls of an export that asks for it."""
        options = export.option(JobOptions)
        if options.background:
            return BackgroundLayer(self._jobs[app], export)
        return TrackLayer(self._jobs[app], export) if options.job else None

    @hookimpl(trylast=True)
    def track_job(self, app: App, project: str) -> JobStore | None:
        """Track the jobs of every project that no other plugin wants."""
        return self._jobs[app].ledger.store

    @hookimpl
    def reloaded(self, app: App) -> None:
        """Ask again where jobs are tracked."""
        self._jobs[app].forget_stores()

    @hookimpl
    def cli_commands(self) -> Sequence[click.Command]:
        """Add `pegboard jobs` and `pegboard worker`."""
        from pegboard_jobs._cli import COMMANDS

        return COMMANDS

    @hookimpl
    def health(self, app: App) -> Sequence[HealthCheck]:
        """Say whether records wait for a store that is away."""
        jobs = self._jobs[app]
        waiting = len(jobs.ledger.pending)
        text = f"{waiting} records wait for the store" if waiting else "the store answers"
        checks = [HealthCheck(name="jobs", ok=not waiting, detail=text)]
        missing = jobs.missing
        if missing:
            text = f"jobs wait for exports that are not there: {', '.join(missing)}"
            checks.append(HealthCheck(name="jobs exports", ok=False, detail=text))
        return checks

    @asynccontextmanager
    async def _running(self, app: App) -> AsyncIterator[None]:
        config: JobsConfig = app.settings("jobs")
        ledger = await to_thread.run_sync(open_ledger, app.data / FOLDER, config.url)
        offered(ledger)
        try:
            async with AsyncExitStack() as stack:
                await self._open(app, ledger, config, stack)
                yield
        finally:
            withdrawn(ledger)
            self._jobs.pop(app, None)
            await to_thread.run_sync(ledger.close)

    async def _open(
        self, app: App, ledger: Ledger, config: JobsConfig, stack: AsyncExitStack
    ) -> None:
        engine = LocalEngine(app, ledger, config)
        jobs = self._jobs[app] = Jobs(app, ledger, engine)
        stack.callback(app.extend("jobs", jobs))
        stack.callback(app.provide(JobEngine, engine))  # type: ignore[type-abstract]  # a Protocol stands for its makers
        stack.callback(app.wrap_tasks(partial(tracked_task, jobs)))
        await stack.enter_async_context(attend(ledger))
        if config.keep:
            await stack.enter_async_context(tidy(jobs, config.keep))
        if config.work and not app.brief:
            await stack.enter_async_context(engine.running())


plugin = JobsPlugin()

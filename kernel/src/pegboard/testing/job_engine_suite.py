"""What every job engine has to do: subclass `JobEngineSuite` and name the plugin that gives yours.

```python
class TestMyEngine(JobEngineSuite):
    plugins = ["my_engine"]

    async def record(self, app: App, uuid: UUID) -> JobRecord:
        return await app.jobs.get(uuid)
```

The plugin provides `pegboard.contracts.job.JobEngine`, and works on what is submitted while an app
runs that it is active in.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID, uuid4

import anyio
import pytest

from pegboard._app import App
from pegboard.contracts.job import (
    JobDraft,
    JobEngine,
    JobOrder,
    JobRecord,
    JobStatus,
    RetryPolicy,
)
from pegboard.errors import ConflictError, NotFoundError

__all__ = ["JobEngineSuite"]

TIMEOUT = 30.0  # seconds that something which has to happen may take
LOOK = 0.005  # seconds between two looks at a record
QUICK = RetryPolicy(attempts=3, delay=0.001, jitter=0)


class JobEngineSuite:
    """The contract `pegboard.contracts.job.JobEngine` as tests.

    Attributes:
        plugins: Plugins that give the engine.
        config: Their settings.
    """

    plugins: ClassVar[Sequence[str | object]]
    config: ClassVar[Mapping[str, Any]] = {}

    pytestmark = pytest.mark.anyio

    async def record(self, app: App, uuid: UUID) -> JobRecord:
        """Return what is recorded of a job."""
        raise NotImplementedError

    async def test_what_was_submitted_runs_with_its_arguments(self, tmp_path: Path) -> None:
        async with self._app(tmp_path) as app:
            job = await _submit(app, "add", a=1, b=2)
            done = await self._ended(app, job.uuid)
        assert (done.status, done.result, done.attempt) == (JobStatus.FINISHED, 3, 1)
        assert done.finish_time is not None

    async def test_the_same_key_is_one_job(self, tmp_path: Path) -> None:
        async with self._app(tmp_path) as app:
            jobs = [await _submit(app, "count", order={"key": "k"}) for _ in range(3)]
            await self._ended(app, jobs[0].uuid)
            assert len({job.uuid for job in jobs}) == 1
            assert app.state("suite").count == 1

    async def test_what_fails_is_tried_again_as_often_as_the_order_says(
        self, tmp_path: Path
    ) -> None:
        async with self._app(tmp_path) as app:
            job = await _submit(app, "fail", order={"retry": QUICK})
            done = await self._ended(app, job.uuid)
        assert (done.status, done.attempt) == (JobStatus.FAILED, 3)
        assert done.failure is not None
        assert done.failure.message == "on purpose"

    async def test_what_is_not_due_waits(self, tmp_path: Path) -> None:
        later = datetime.now(UTC) + timedelta(hours=1)
        async with self._app(tmp_path) as app:
            waiting = await _submit(app, "add", order={"run_at": later}, a=1, b=1)
            await self._ended(app, (await _submit(app, "add", a=1, b=1)).uuid)
            assert (await self.record(app, waiting.uuid)).status is JobStatus.QUEUED

    async def test_a_job_that_waits_is_cancelled_at_once(self, tmp_path: Path) -> None:
        later = datetime.now(UTC) + timedelta(hours=1)
        async with self._app(tmp_path) as app:
            waiting = await _submit(app, "add", order={"run_at": later}, a=1, b=1)
            cancelled = await _engine(app).cancel(waiting.uuid)
        assert cancelled.status is JobStatus.INTERRUPTED

    async def test_a_job_that_runs_is_cancelled_and_cleans_up(self, tmp_path: Path) -> None:
        async with self._app(tmp_path) as app:
            job = await _submit(app, "wait")
            with anyio.fail_after(TIMEOUT):
                await app.state("suite").entered.wait()
            await _engine(app).cancel(job.uuid)
            done = await self._ended(app, job.uuid)
            assert app.state("suite").cleaned
        assert done.status is JobStatus.INTERRUPTED

    async def test_only_what_has_failed_can_be_tried_again(self, tmp_path: Path) -> None:
        async with self._app(tmp_path) as app:
            good = await self._ended(app, (await _submit(app, "add", a=1, b=1)).uuid)
            with pytest.raises(ConflictError):
                await _engine(app).retry(good.uuid)
            with pytest.raises(NotFoundError):
                await _engine(app).retry(uuid4())
            bad = await self._ended(app, (await _submit(app, "fail", order=_once())).uuid)
            await _engine(app).retry(bad.uuid)
            again = await self._ended(app, bad.uuid)
        assert (again.status, again.uuid) == (JobStatus.FAILED, bad.uuid)

    async def test_what_was_accepted_runs_after_a_restart(self, tmp_path: Path) -> None:
        soon = datetime.now(UTC) + timedelta(seconds=0.5)
        async with self._app(tmp_path) as app:
            job = await _submit(app, "add", order={"run_at": soon}, a=2, b=2)
        async with self._app(tmp_path) as app:
            done = await self._ended(app, job.uuid)
        assert (done.status, done.result) == (JobStatus.FINISHED, 4)

    @asynccontextmanager
    async def _app(self, project: Path) -> AsyncIterator[App]:
        app = App("suite", project=project, plugins=self.plugins, mods=[], config=self.config)
        _declare(app)
        async with app:
            app.state("suite").entered = anyio.Event()
            yield app

    async def _ended(self, app: App, uuid: UUID) -> JobRecord:
        with anyio.fail_after(TIMEOUT):
            # an engine need not tell what happens: its records are all that the contract knows
            while not (job := await self.record(app, uuid)).status.is_terminal:  # noqa: ASYNC110 - see above
                await anyio.sleep(LOOK)
        return job


def _engine(app: App) -> JobEngine:
    return app.service(JobEngine)  # type: ignore[type-abstract]  # a Protocol stands for its makers


def _once() -> dict[str, Any]:
    return {"retry": RetryPolicy(attempts=1)}


async def _submit(
    app: App, name: str, *, order: Mapping[str, Any] | None = None, **arguments: Any
) -> JobRecord:
    target = f"suite.{name}"
    draft = JobDraft(
        project=UUID(int=1),
        task_name=target,
        status=JobStatus.QUEUED,
        kind="durable",
        order=JobOrder(target=target, arguments=arguments, **(order or {})),
    )
    return await _engine(app).submit(draft)


def _declare(app: App) -> None:
    export = app.export

    @export(mod_name="suite")
    async def add(a: int, b: int) -> int:
        return a + b

    @export(mod_name="suite")
    async def count(app: App) -> int:
        state = app.state("suite")
        state.count = getattr(state, "count", 0) + 1
        return int(state.count)

    @export(mod_name="suite")
    async def fail() -> None:
        msg = "on purpose"
        raise ValueError(msg)

    @export(mod_name="suite")
    async def wait(app: App) -> None:
        state = app.state("suite")
        state.entered.set()
        try:
            await anyio.sleep_forever()
        finally:
            state.cleaned = True

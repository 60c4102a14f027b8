"""Another plugin keeps the jobs of a project: they are tracked there by the contract alone."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import anyio
import pytest
from anyio import to_thread

from pegboard import App, hookimpl
from pegboard.contracts.job import JobStatus, JobStore
from pegboard.errors import ConfigError, UnavailableError
from pegboard_jobs import open_ledger
from pegboard_jobs._ledger import Ledger

pytestmark = pytest.mark.anyio

ELSEWHERE = uuid4()
CONTRACT = {name for name in vars(JobStore) if not name.startswith("_")}


class Narrow:
    """A store of which nothing but the contract can be used."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.is_away = False

    def __getattr__(self, name: str) -> Any:
        if name not in CONTRACT:
            raise AttributeError(name)
        if self.is_away:
            raise UnavailableError(name)
        return getattr(self._store, name)


class Archive:
    """A plugin that wants the jobs of one project."""

    def __init__(self, store: Narrow) -> None:
        self.store = store
        self.asked: list[str] = []

    @hookimpl
    def track_job(self, project: str) -> Any:
        self.asked.append(project)
        return self.store if UUID(project) == ELSEWHERE else None


@pytest.fixture
def far(tmp_path: Path) -> Any:
    ledger = open_ledger(tmp_path / "far")
    yield ledger
    ledger.close()


@pytest.fixture
def archive(far: Ledger) -> Archive:
    return Archive(Narrow(far.store))


@pytest.fixture
async def app(archive: Archive, tmp_path: Path) -> AsyncIterator[App]:
    async with App("lab", project=tmp_path, plugins=["jobs", archive], mods=[]) as app:
        yield app


async def test_jobs_of_its_project_are_tracked_there_and_nested_there(
    app: App, archive: Archive, far: Ledger
) -> None:
    outer_block, inner_block = app.jobs.track("outer", project=ELSEWHERE), app.jobs.track
    async with outer_block as outer, inner_block("inner", project=ELSEWHERE) as inner:
        for done in range(1000):
            await inner.progress(done=done + 1, total=1000)
        await inner.log("a line")
    assert (outer.number, inner.number) == ("1", "1.1")
    kept = await far.store.get(inner.uuid)
    assert (kept.status, kept.parent) == (JobStatus.FINISHED, outer.uuid)
    assert kept.progress is not None
    assert kept.progress.done == 1000
    assert await app.jobs.list() == []
    assert len(await app.jobs.list(project=ELSEWHERE)) == 2
    assert archive.asked == [str(ELSEWHERE)]


async def test_all_other_jobs_stay_with_the_plugin(app: App, far: Ledger) -> None:
    async with app.jobs.track("here") as job:
        await job.value("n", 1)
    assert (await app.jobs.get(job.uuid)).status is JobStatus.FINISHED
    assert await far.store.counts() == {}


async def test_a_failure_is_recorded_there(app: App, far: Ledger) -> None:
    with pytest.raises(ValueError, match="no"):
        async with app.jobs.track("bad", project=ELSEWHERE):
            raise ValueError("no")
    (job,) = await app.jobs.list(project=ELSEWHERE)
    assert (job.status, job.failure.message) == (JobStatus.FAILED, "no")


async def test_a_plain_function_in_a_thread_is_tracked_there(app: App, far: Ledger) -> None:
    def work() -> UUID:
        with app.jobs.track("in a thread", project=ELSEWHERE) as job:
            uuid: UUID = job.uuid
            return uuid

    assert (await far.store.get(await to_thread.run_sync(work))).status is JobStatus.FINISHED


async def test_what_its_contract_has_no_place_for_is_refused(app: App, far: Ledger) -> None:
    async with app.jobs.track("plain", project=ELSEWHERE) as job:
        with pytest.raises(ConfigError, match="Narrow, which keeps no values and files"):
            await job.value("n", 1)
    with pytest.raises(ConfigError, match="another plugin"):
        app.jobs.handler(ELSEWHERE)


async def test_a_store_that_is_away_fails_no_job_and_is_told_of_the_beginning_at_the_end(
    app: App, archive: Archive, far: Ledger
) -> None:
    archive.store.is_away = True
    async with app.jobs.track("late", project=ELSEWHERE) as job:
        await job.log("lost")
        assert job.number == ""
        archive.store.is_away = False
    assert (await far.store.get(job.uuid)).status is JobStatus.FINISHED
    async with app.jobs.track("lost", project=ELSEWHERE) as other:
        archive.store.is_away = True
    archive.store.is_away = False
    assert (await far.store.get(other.uuid)).status is JobStatus.RUNNING


async def test_a_plugin_that_refuses_is_heard(tmp_path: Path) -> None:
    class Refuses:
        @hookimpl
        def track_job(self) -> None:
            msg = "this project is closed"
            raise ConfigError(msg)

    async with App("lab", project=tmp_path, plugins=["jobs", Refuses()], mods=[]) as app:
        with anyio.fail_after(10), pytest.raises(ConfigError, match="closed"):
            async with app.jobs.track("x"):
                pass

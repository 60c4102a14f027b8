"""A database that goes away, and many processes that write at once."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import anyio
import pytest
from anyio import to_thread

from pegboard.contracts.job import JobDraft, JobQuery, JobStatus
from pegboard.errors import UnavailableError
from pegboard_jobs import AsyncDatabaseHandler, open_ledger
from pegboard_jobs._ledger import Ledger
from pegboard_jobs._store import RecordStore
from pegboard_jobs._tracking import Tracking
from tests.servers.postgres import PostgresServer, running_postgres

pytestmark = pytest.mark.anyio

CREATES = int(os.environ.get("PEGBOARD_CHAOS_CREATES", "50"))
PROCESSES = 4

PROGRAM = """
import sys
from pathlib import Path
from uuid import UUID
from pegboard.contracts.job import JobDraft
from pegboard_jobs import open_ledger
from pegboard_jobs._new_job import create
folder, url, project, count = Path(sys.argv[1]), sys.argv[2], UUID(sys.argv[3]), int(sys.argv[4])
ledger = open_ledger(folder, url)
for _ in range(count):
    ledger.store.write_blocking(create, JobDraft(project=project, task_name="t"))
ledger.close()
"""


async def test_processes_that_make_jobs_together_get_numbers_without_gaps(
    ledger: Ledger, store_url: str, tmp_path: Path
) -> None:
    project = uuid4()
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "jobs"), store_url, str(project)]
    started = [subprocess.Popen([*command, str(CREATES)]) for _ in range(PROCESSES)]
    assert [await to_thread.run_sync(each.wait) for each in started] == [0] * PROCESSES
    jobs = await ledger.store.list(JobQuery(project=project, limit=10_000))
    numbers = sorted(int(job.number) for job in jobs)
    assert numbers == list(range(1, PROCESSES * CREATES + 1))


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


async def test_a_server_that_is_restarted_fails_no_job_and_loses_no_record(
    server: PostgresServer, tmp_path: Path
) -> None:
    ledger = open_ledger(tmp_path, server.database())
    try:
        handler = AsyncDatabaseHandler(uuid4(), ledger=ledger)
        done: list[str] = []

        async def work() -> None:
            while len(done) < 60:
                async with Tracking(ledger, draft(handler)) as job:
                    await job.log("one", "two")
                done.append(job.number)

        with anyio.fail_after(50):
            async with anyio.create_task_group() as group:
                for _ in range(4):
                    group.start_soon(work)
                for _ in range(2):
                    before = len(done)
                    while len(done) < min(before + 8, 50):
                        await anyio.sleep(0.01)
                    await to_thread.run_sync(server.restart)
            while len(ledger.pending):
                await anyio.sleep(0.01)
        jobs = await ledger.store.list(JobQuery(project=handler.project_uuid, limit=1000))
        assert {job.status for job in jobs} == {JobStatus.FINISHED}
        assert sorted(int(job.number) for job in jobs) == list(range(1, len(done) + 1))
        events = await ledger.store.events(project=handler.project_uuid, limit=10_000)
        assert sum(event.kind == "log" for event in events) == 2 * len(done)
    finally:
        await to_thread.run_sync(ledger.close)


def draft(handler: AsyncDatabaseHandler) -> JobDraft:
    return JobDraft(
        project=handler.project_uuid, task_name="task", status=JobStatus.RUNNING, title="task"
    )


async def test_a_store_that_is_away_kills_no_job_and_is_told_later(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = AsyncDatabaseHandler(uuid4(), ledger=ledger)
    await ledger.join()
    is_away = True
    write, write_blocking = RecordStore.write, RecordStore.write_blocking

    async def failing(self, *args, **kwargs):
        if is_away:
            msg = "the store is away"
            raise UnavailableError(msg)
        return await write(self, *args, **kwargs)

    def failing_blocking(self, *args, **kwargs):
        if is_away:
            msg = "the store is away"
            raise UnavailableError(msg)
        return write_blocking(self, *args, **kwargs)

    monkeypatch.setattr(RecordStore, "write", failing)
    monkeypatch.setattr(RecordStore, "write_blocking", failing_blocking)
    with pytest.raises(ValueError, match="no"):
        await raising(ledger, handler)
    is_away = False
    with anyio.fail_after(20):
        while len(ledger.pending):
            await anyio.sleep(0.01)
    (job,) = await ledger.store.list(JobQuery(project=handler.project_uuid))
    assert (job.status, job.number) == (JobStatus.FAILED, "1")
    assert job.failure is not None
    assert job.failure.message == "no"
    assert job.progress is not None


async def raising(ledger: Ledger, handler: AsyncDatabaseHandler) -> None:
    async with Tracking(ledger, draft(handler)) as job:
        await job.progress(0.5)
        assert not job.number
        msg = "no"
        raise ValueError(msg)

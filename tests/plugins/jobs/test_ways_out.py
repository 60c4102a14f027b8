"""However oddly a job begins, goes on or ends: its record says what became of it."""

import os
from collections import Counter
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import anyio
import msgspec
import pytest

from pegboard import Session
from pegboard.contracts.job import JobDraft, JobQuery, JobStatus
from pegboard.errors import InputError
from pegboard_jobs import AsyncDatabaseHandler, StaleError
from pegboard_jobs._engine import _kept
from pegboard_jobs._ledger import Ledger
from pegboard_jobs._new_job import create
from pegboard_jobs._queue_table import cancel
from pegboard_jobs._store import this_process
from pegboard_jobs._tracking import Tracking
from tests.plugins.jobs.script import CPluginScript

pytestmark = pytest.mark.anyio

ROUNDS = 40


class SilentError(Exception):
    def __str__(self) -> str:
        raise RuntimeError


def draft(title: str = "t") -> JobDraft:
    return JobDraft(project=uuid4(), task_name=title, status=JobStatus.RUNNING)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("cannot parse caf\udce9.txt"), "cannot parse caf\\udce9.txt"),
        (ValueError("nul \0 in it"), "nul \\x00 in it"),
        (SilentError(), "(no text: RuntimeError in its __str__)"),
    ],
)
async def test_an_error_whose_text_cannot_be_kept_is_recorded_all_the_same(
    ledger: Ledger, error: Exception, message: str
) -> None:
    tracking = Tracking(ledger, draft("odd \0 \udce9"))

    async def fail() -> None:
        async with tracking as job:
            await job.log("line \udce9 \0")
            await job.progress(0.5, "half \udce9 \0")
            raise error

    with pytest.raises(type(error)):
        await fail()
    assert tracking.tracked is not None
    kept = await ledger.store.get(tracking.tracked.uuid)
    assert kept.failure is not None
    assert (kept.status, kept.failure.message) == (JobStatus.FAILED, message)
    assert kept.title == "odd \\x00 \\udce9"


async def test_a_block_that_is_cancelled_before_it_begins_does_not_stay_running(
    ledger: Ledger,
) -> None:
    project = uuid4()
    handler = AsyncDatabaseHandler(project, ledger=ledger)
    entered = 0
    for number in range(ROUNDS):
        with anyio.CancelScope() as scope:
            scope.deadline = anyio.current_time() + number * 0.0002
            async with handler.track_job(CPluginScript("t")):
                entered += 1
    assert entered < ROUNDS
    jobs = await ledger.store.list(JobQuery(project=project, limit=1000))
    found = Counter(job.status for job in jobs)
    assert found.keys() <= {JobStatus.FINISHED, JobStatus.INTERRUPTED}
    assert found.total() >= entered


async def test_a_request_to_stop_that_comes_before_the_block_is_entered_is_heard(
    ledger: Ledger,
) -> None:
    runner = await ledger.join()
    made = msgspec.structs.replace(draft(), runner=runner.uuid)
    job = await ledger.store.write(create, made, this_process())
    await ledger.store.write(cancel, job.uuid)
    ledger.stop_asked()
    tracking = Tracking(ledger, None, job=job)
    with anyio.fail_after(30), pytest.raises(Exception, match="was cancelled"):
        async with tracking:
            await anyio.sleep_forever()
    assert (await ledger.store.get(job.uuid)).status is JobStatus.INTERRUPTED


async def test_whoever_was_taken_over_from_changes_neither_values_nor_files(
    ledger: Ledger, tmp_path: Path
) -> None:
    (tmp_path / "x.txt").write_text("x")
    async with Tracking(ledger, draft()) as job:
        file = await job.output(tmp_path / "x.txt", "X")
        await ledger.take(job.uuid)
        await job.value("r", "of the stale one")
        assert job.is_stale
        with pytest.raises(StaleError):
            await job.output(tmp_path / "x.txt", "Y")
        job.is_stale = False
        await job.input(file, "IN")
        assert job.is_stale
        handler = AsyncDatabaseHandler(job.job.project, ledger=ledger)
        assert await handler.get_job_values(job.uuid) == {}
        assert [each.job_param_name for each in await handler.get_job_files(job.uuid)] == ["X"]


async def test_a_file_whose_name_is_no_text_is_refused(ledger: Ledger, tmp_path: Path) -> None:
    place = tmp_path / os.fsdecode(b"caf\xe9")
    place.write_text("x")
    async with Tracking(ledger, draft()) as job:
        with pytest.raises(InputError, match="rename it"):
            await job.output(place, "X")


async def test_progress_may_be_said_a_hundred_thousand_times(ledger: Ledger) -> None:
    async with Tracking(ledger, draft()) as job:
        for done in range(100_000):
            await job.progress(done=done + 1, total=100_000)
    kept = await ledger.store.get(job.uuid)
    assert kept.progress is not None
    assert (kept.progress.done, kept.progress.fraction) == (100_000, 1.0)
    told = [each for each in await ledger.store.events(job=job.uuid) if each.kind == "progress"]
    assert 2 <= len(told) < 1000


async def test_progress_that_is_said_once_more_is_seen_while_the_job_goes_on(
    ledger: Ledger,
) -> None:
    async with Tracking(ledger, draft()) as job:
        await job.progress(0.1)
        await job.progress(0.2)
        with anyio.fail_after(30):
            while True:
                last = (await ledger.store.events(job=job.uuid))[-1]
                if last.data.get("fraction") == 0.2:
                    break
                await ledger.store.watch.wait(last.seq, timeout=0.5)


async def test_a_tracked_object_costs_two_transactions_and_nothing_else(ledger: Ledger) -> None:
    handler = AsyncDatabaseHandler(uuid4(), ledger=ledger)
    calls: Counter[str] = Counter()
    database: Any = ledger.store.database

    class Counted:
        def __getattr__(self, name: str) -> Any:
            calls[name] += name != "read"  # the watchman reads on its own account
            return getattr(database, name)

    async with handler.track_job(CPluginScript("first")):
        pass
    ledger.store.database = Counted()  # type: ignore[assignment]  # counts, and passes on
    plugin = CPluginScript("second")
    plugin.container = plugin.saveParams = None
    plugin.outputData = None
    async with handler.track_job(plugin):
        inside = +calls
    ledger.store.database = database
    assert inside == {"awrite": 1}
    assert +calls == {"awrite": 2}


def test_who_asks_is_kept_whatever_their_session_is_made_of() -> None:
    session = Session(user_id="ada", extra_data=MappingProxyType({"source": "cookie"}))
    kept = msgspec.json.decode(msgspec.json.encode(_kept(session)))
    assert (kept["user_id"], kept["extra_data"]) == ("ada", {"source": "cookie"})

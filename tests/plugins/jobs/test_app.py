"""`app.jobs`: tracking, nesting, the keywords of `@export`, durable jobs."""

import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio
import pytest

from pegboard import App
from pegboard.errors import ConflictError, InputError, LoadError, NotFoundError
from pegboard.testing.harness import watched
from pegboard_jobs import Job, JobCancelledError, JobStatus, RetryPolicy, current_job
from tests.plugins.jobs import chores

pytestmark = pytest.mark.anyio

RunApp = Callable[..., AbstractAsyncContextManager[App]]
QUICK = RetryPolicy(attempts=3, delay=0.001, jitter=0)


@pytest.fixture
def run_app(store_url: str, tmp_path: Path) -> RunApp:
    @asynccontextmanager
    async def run(**settings: Any) -> AsyncIterator[App]:
        config = {"plugins": {"jobs": {"url": store_url, "stop_timeout": 0.0, **settings}}}
        app = App("chores", project=tmp_path, plugins=["jobs"], mods=[chores], config=config)
        with anyio.fail_after(30):
            async with watched(app):
                yield app

    return run


async def ended(app: App, uuid: UUID, *others: UUID) -> Job:
    """Wait until jobs have ended; return the first one."""
    for each in (uuid, *others):
        while not (job := await app.jobs.get(each)).status.is_terminal:
            await app.jobs.ledger.store.watch.wait(await app.jobs.last_event(), timeout=0.5)
    return await app.jobs.get(uuid) if others else job


# -- tracking ----------------------------------------------------------------------------------


async def test_a_block_is_tracked_and_others_are_nested_in_it(run_app: RunApp) -> None:
    async with run_app() as app:
        async with app.jobs.track("outer", tags=["x"]) as outer:
            assert current_job() is outer
            async with app.jobs.track("inner") as inner:
                await inner.progress(done=1, total=4, message="a quarter")
                await inner.log("hello", "world")
                await inner.value("answer", 42)
            async with app.jobs.track("second"), app.jobs.track("third") as third:
                pass
        assert current_job() is None
        assert (outer.number, inner.number, third.number) == ("1", "1.1", "1.2.1")
        job = await app.jobs.get(inner.uuid)
        assert job.status is JobStatus.FINISHED
        assert job.progress.fraction == 0.25
        assert await app.jobs.values(inner.uuid) == {"answer": 42}
        assert [each.number for each in await app.jobs.tree(outer.uuid)] == [
            "1",
            "1.1",
            "1.2",
            "1.2.1",
        ]
        assert (await app.jobs.find("1.2.1")).uuid == third.uuid


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (ValueError("no"), JobStatus.FAILED, "exception"),
        (TimeoutError(), JobStatus.FAILED, "deadline"),
        (SystemExit(3), JobStatus.FAILED, "exit"),
        (KeyboardInterrupt(), JobStatus.INTERRUPTED, "cancelled"),
        (GeneratorExit(), JobStatus.INTERRUPTED, "cancelled"),
    ],
    ids=lambda each: type(each).__name__,
)
async def test_each_way_out_is_recorded(
    run_app: RunApp, error: BaseException, status: JobStatus, reason: str
) -> None:
    async with run_app() as app:
        with pytest.raises(type(error)):
            async with app.jobs.track("block") as tracked:
                raise error
        job = await app.jobs.get(tracked.uuid)
        assert (job.status, job.failure.reason) == (status, reason)
        assert job.finish_time is not None


async def test_tasks_and_threads_are_nested_in_the_job_that_started_them(run_app: RunApp) -> None:
    numbers: list[str] = []

    async def child(app: App) -> None:
        async with app.jobs.track("child") as job:
            numbers.append(job.number)

    async with run_app() as app:
        async with app.jobs.track("parent"), anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(child, app)
        result = await app.call("chores.in_thread")
        assert sorted(numbers) == ["1.1", "1.2", "1.3"]
        assert result.get() == "2.1"


async def test_a_subprocess_is_nested_in_the_job_that_started_it(
    run_app: RunApp, store_url: str, tmp_path: Path
) -> None:
    program = (
        "import sys, anyio\nfrom pathlib import Path\nfrom pegboard_jobs import open_ledger\n"
        "from pegboard.contracts.job import JobDraft, JobStatus\n"
        "from pegboard_jobs._tracking import Tracking\n"
        "from pegboard_jobs._project_table import DEFAULT_PROJECT as project\n"
        "ledger = open_ledger(Path(sys.argv[1]), sys.argv[2])\n"
        "draft = JobDraft(project=project, task_name='child', status=JobStatus.RUNNING)\n"
        "with Tracking(ledger, draft) as job:\n    print(job.number)\n"
        "ledger.close()\n"
    )
    async with run_app() as app:
        async with app.jobs.track("parent") as job:
            command = [sys.executable, "-c", program, str(tmp_path / ".pegboard/jobs"), store_url]
            done = await anyio.run_process(command, env=job.environment(), stderr=subprocess.STDOUT)
        assert done.stdout.decode().strip() == "1.1"


async def test_a_block_can_be_cancelled_from_elsewhere(run_app: RunApp) -> None:
    async with run_app() as app:
        tracking = app.jobs.track("block")
        with pytest.raises(JobCancelledError):
            await _cancelled_inside(app, tracking)
        job = await app.jobs.get(tracking.tracked.uuid)
        assert (job.status, job.failure.reason) == (JobStatus.INTERRUPTED, "cancelled")


async def test_files_show_what_was_made_from_what(run_app: RunApp, tmp_path: Path) -> None:
    raw, cooked = tmp_path / "raw.txt", tmp_path / 'cooked "well".txt'
    raw.write_text("raw")
    cooked.write_text("cooked")
    async with run_app() as app:
        async with app.jobs.track("measure") as measure:
            first = await measure.output(raw, "OUT")
        async with app.jobs.track("cook") as cook:
            await cook.input(first, "IN")
            await cook.output(cooked, "OUT")
        async with app.jobs.track("unrelated") as other:
            await other.input(first, "IN")
        graph = await app.jobs.provenance(job=cook.uuid)
        assert {node.label for node in graph.nodes} == {
            "1 measure",
            "2 cook",
            "raw.txt",
            'cooked "well".txt',
        }
        assert len(graph.edges) == 3
        assert r"cooked \"well\".txt" in graph.dot()
        whole = await app.jobs.provenance(file=first.uuid)
        assert len(whole.nodes) == 5
        assert [each.uuid for each in await app.jobs.find_files(checksum=first.sha256)] == [
            first.uuid
        ]


# -- keywords of @export -------------------------------------------------------------------------


async def test_each_call_of_an_export_is_tracked(run_app: RunApp) -> None:
    async with run_app() as app:
        assert (await app.call("chores.tracked", text="hi")).get() == "HI"
        assert (await app.call("chores.failing")).is_error()
        jobs = await app.jobs.list(top=True)
        assert [(job.task_name, job.status) for job in jobs] == [
            ("chores.failing", JobStatus.FAILED),
            ("chores.tracked", JobStatus.FINISHED),
        ]
        assert jobs[0].failure.message == "it did not work"
        assert [job.number for job in await app.jobs.tree(jobs[1].uuid)] == ["1", "1.1"]


async def test_a_background_export_answers_at_once_and_runs(run_app: RunApp) -> None:
    async with run_app() as app:
        accepted = await app.call("chores.later", "word")
        job = await ended(app, UUID(accepted.get()["uuid"]))
        assert (job.status, job.result) == (JobStatus.FINISHED, "word")
        assert app.state("chores").said == "word"
        assert (await app.call("chores.later")).is_error()


async def test_what_runs_after_a_response_is_tracked(run_app: RunApp) -> None:
    async with run_app() as app:
        app.state("chores").done = anyio.Event()
        await app.call("chores.with_task")
        await app.state("chores").done.wait()
        (job,) = await app.jobs.list(kind="task")
        assert (await ended(app, job.uuid)).status is JobStatus.FINISHED


# -- durable jobs --------------------------------------------------------------------------------


async def test_what_was_submitted_runs_and_its_answer_is_kept(run_app: RunApp) -> None:
    async with run_app() as app:
        job = await ended(app, (await app.jobs.submit("chores.add", a=1, b=2)).uuid)
        assert (job.status, job.result, job.attempt) == (JobStatus.FINISHED, 3, 1)
        assert job.process_id is not None


async def test_what_cannot_run_is_refused_when_it_is_submitted(run_app: RunApp) -> None:
    async with run_app() as app:
        with pytest.raises(NotFoundError):
            await app.jobs.submit("chores.nothing")
        with pytest.raises(InputError):
            await app.jobs.submit("chores.add", a="one")
        with pytest.raises(InputError):
            await app.jobs.submit("chores.add", a=object())
        assert await app.jobs.list() == []


async def test_what_fails_is_tried_again_and_then_given_up(run_app: RunApp) -> None:
    async with run_app() as app:
        good = await ended(app, (await app.jobs.submit("chores.flaky", times=2, retry=QUICK)).uuid)
        assert (good.status, good.result, good.attempt) == (JobStatus.FINISHED, 3, 3)
        app.state("chores").tries = 0
        bad = await ended(app, (await app.jobs.submit("chores.flaky", times=9, retry=QUICK)).uuid)
        assert (bad.status, bad.attempt, bad.failure.message) == (JobStatus.FAILED, 3, "try 3")
        app.state("chores").tries = 9
        again = await ended(app, (await app.jobs.retry(bad.uuid)).uuid)
        assert (again.status, again.uuid) == (JobStatus.FINISHED, bad.uuid)
        with pytest.raises(ConflictError):
            await app.jobs.retry(again.uuid)


async def test_the_same_key_runs_once(run_app: RunApp) -> None:
    async with run_app() as app:
        jobs = [await app.jobs.submit("chores.add", a=1, key="k") for _ in range(3)]
        assert len({job.uuid for job in jobs}) == 1
        await ended(app, jobs[0].uuid)
        assert (await app.jobs.submit("chores.add", a=1, key="k")).uuid == jobs[0].uuid


async def test_the_more_urgent_runs_first_and_later_work_waits(run_app: RunApp) -> None:
    async with run_app(work=False) as app:
        low = await app.jobs.submit("chores.add", a=1)
        high = await app.jobs.submit("chores.add", a=2, priority=9)
        soon = await app.jobs.submit(
            "chores.add", a=3, priority=99, run_at=datetime.now(UTC) + timedelta(hours=1)
        )
    async with run_app(workers=1) as app:
        first = await ended(app, low.uuid, high.uuid)
        assert (await app.jobs.get(high.uuid)).start_time < first.start_time
        assert (await app.jobs.get(soon.uuid)).status is JobStatus.QUEUED


async def test_a_queue_with_a_limit_runs_no_more_at_once(run_app: RunApp) -> None:
    async with run_app(workers=8) as app:
        jobs = [await app.jobs.submit("chores.alone") for _ in range(4)]
        await ended(app, *(job.uuid for job in jobs))
        assert app.state("chores").most == 1


async def test_a_durable_job_is_cancelled_while_it_waits_and_while_it_runs(run_app: RunApp) -> None:
    async with run_app(workers=1) as app:
        app.state("chores").entered = anyio.Event()
        running = await app.jobs.submit("chores.forever")
        waiting = await app.jobs.submit("chores.add", a=1)
        await app.state("chores").entered.wait()
        for job in (waiting, running):
            await app.jobs.cancel(job.uuid)
            done = await ended(app, job.uuid)
            assert (done.status, done.failure.reason) == (JobStatus.INTERRUPTED, "cancelled")


async def test_an_attempt_that_takes_too_long_fails(run_app: RunApp) -> None:
    async with run_app() as app:
        app.state("chores").entered = anyio.Event()
        once = RetryPolicy(attempts=1)
        job = await app.jobs.submit("chores.forever", timeout=0.01, retry=once)
        done = await ended(app, job.uuid)
        assert (done.status, done.failure.reason) == (JobStatus.FAILED, "deadline")


async def test_what_is_past_its_deadline_is_not_begun(run_app: RunApp) -> None:
    async with run_app() as app:
        past = datetime.now(UTC) - timedelta(seconds=1)
        job = await ended(app, (await app.jobs.submit("chores.add", a=1, deadline=past)).uuid)
        assert (job.status, job.attempt) == (JobStatus.FAILED, 0)


async def test_work_that_an_app_could_not_end_is_done_by_the_next(run_app: RunApp) -> None:
    async with run_app() as app:
        app.state("chores").entered = anyio.Event()
        job = await app.jobs.submit("chores.forever")
        await app.state("chores").entered.wait()
    async with run_app(work=False) as app:
        left = await app.jobs.get(job.uuid)
        assert (left.status, left.attempt) == (JobStatus.QUEUED, 0)


async def test_a_schedule_makes_one_job_for_each_time_it_is_due(run_app: RunApp) -> None:
    async with run_app(work=False) as app:
        made = await app.jobs.schedule("hourly", "0 * * * *", "chores.add", a=1)
        assert made == await app.jobs.schedule("hourly", "0 * * * *", "chores.add", a=1)
        past = datetime.now(UTC) - timedelta(hours=3)
        await app.jobs.ledger.store.write(_made_due, past.timestamp())
    async with run_app() as app:
        (job,) = await _eventually(app)
        assert (await ended(app, job.uuid)).result == 1
        assert (await app.jobs.schedules())[0].next_at > datetime.now(UTC)
        assert await app.jobs.unschedule("hourly")
        with pytest.raises(InputError):
            await app.jobs.schedule("bad", "61 * * * *", "chores.add", a=1)


async def test_old_jobs_are_deleted_with_what_is_nested_in_them(run_app: RunApp) -> None:
    async with run_app() as app:
        async with app.jobs.track("done"), app.jobs.track("inner"):
            pass
        waiting = await app.jobs.handler().create_job("waiting")
        assert await app.jobs.collect(1) == 0
        assert await app.jobs.collect(-1) == 2
        assert [job.uuid for job in await app.jobs.list()] == [waiting.uuid]
        assert await app.jobs.counts() == {JobStatus.PENDING: 1}


async def test_a_durable_job_can_be_run_again_with_the_same_inputs(
    run_app: RunApp, tmp_path: Path
) -> None:
    path = tmp_path / "in.txt"
    path.write_text("x")
    async with run_app() as app:
        async with app.jobs.track("maker") as maker:
            file = await maker.output(path, "OUT")
        job = await ended(app, (await app.jobs.submit("chores.add", a=5)).uuid)
        await app.jobs.handler().register_input_file(job.uuid, file.uuid, "IN")
        again = await ended(app, (await app.jobs.again(job.uuid)).uuid)
        assert (again.result, again.uuid != job.uuid) == (5, True)
        assert [each.uuid for each in await app.jobs.files(again.uuid)] == [file.uuid]


async def _cancelled_inside(app: App, tracking: Any) -> None:
    async with tracking as tracked:
        await app.jobs.cancel(tracked.uuid)
        await anyio.sleep_forever()


def _made_due(changes: Any, time: float) -> None:
    changes.execute("UPDATE schedule SET next_at = ?", time)


async def _eventually(app: App) -> list[Job]:
    while not (jobs := await app.jobs.list()):
        await app.jobs.ledger.store.watch.wait(await app.jobs.last_event(), timeout=0.5)
    return list(jobs)


# -- what the engine waits for -----------------------------------------------------------------


async def test_jobs_that_wait_when_an_app_starts_are_not_taken_before_its_mods_are_there(
    run_app: RunApp,
) -> None:
    once = RetryPolicy(attempts=1)
    async with run_app(work=False) as app:
        jobs = [await app.jobs.submit("chores.add", retry=once, a=n) for n in range(20)]
    async with run_app() as app:
        found = [await ended(app, job.uuid) for job in jobs]
    assert {(job.status, job.attempt) for job in found} == {(JobStatus.FINISHED, 1)}


async def test_what_is_accepted_while_apps_start_and_stop_runs_though_it_may_fail_only_once(
    run_app: RunApp,
) -> None:
    once = RetryPolicy(attempts=1)
    jobs = []
    for number in range(10):
        async with run_app(stop_timeout=0.0) as app:
            jobs.append(await app.jobs.submit("chores.add", retry=once, a=number))
    async with run_app() as app:
        found = [await ended(app, job.uuid) for job in jobs]
    assert [job.result for job in found] == list(range(10))


async def test_a_job_for_an_export_that_is_not_there_waits_and_is_named(run_app: RunApp) -> None:
    async with run_app(work=False) as app:
        job = await app.jobs.submit("chores.add", retry=RetryPolicy(attempts=1), a=1)
        await app.jobs.ledger.store.write(_renamed, job.uuid)
        seen = await app.jobs.last_event()
    async with run_app() as app:
        other = await app.jobs.submit("chores.add", a=2)
        assert (await ended(app, other.uuid)).status is JobStatus.FINISHED
        assert (await app.jobs.get(job.uuid)).status is JobStatus.QUEUED
        assert app.jobs.missing == ["chores.gone"]
        assert [each for each in await app.jobs.events(seen) if each.job == job.uuid] == []


def _renamed(changes: Any, uuid: UUID) -> None:
    sql = "SELECT orders FROM job WHERE uuid = ?"
    order = changes.value(sql, str(uuid)).replace("chores.add", "chores.gone")
    sql = "UPDATE job SET task_name = 'chores.gone', orders = ? WHERE uuid = ?"
    changes.execute(sql, order, str(uuid))


async def test_what_waits_in_the_queue_of_others_delays_nothing(run_app: RunApp) -> None:
    async with run_app(queues=["fast"]) as app:
        await app.jobs.submit("chores.add", queue="slow", a=1)
        soon = datetime.now(UTC) + timedelta(seconds=0.2)
        job = await app.jobs.submit("chores.add", queue="fast", run_at=soon, a=2)
        done = await ended(app, job.uuid)
    assert done.status is JobStatus.FINISHED
    assert done.start_time - soon < timedelta(seconds=10)


async def test_a_queued_call_keeps_what_it_takes_by_any_name(run_app: RunApp) -> None:
    async with run_app() as app:
        result = await app.call("chores.gather", a=1, b=2, c=3)
        job = await ended(app, UUID(result.get()["uuid"]))
    assert job.result == {"a": 1, "b": 2, "c": 3}


@pytest.mark.parametrize("keyword", ["job", "background"])
async def test_a_generator_is_refused_since_its_work_begins_when_its_call_has_ended(
    tmp_path: Path, keyword: str
) -> None:
    app = App("lab", project=tmp_path, plugins=["jobs"], mods=[])

    @app.export(mod_name="lab", **{keyword: True})
    async def tell() -> AsyncIterator[int]:
        yield 1

    with pytest.raises(LoadError, match=r"lab\.tell is a generator"):
        async with app:
            pass


async def test_what_has_no_name_cannot_be_queued(tmp_path: Path) -> None:
    app = App("lab", project=tmp_path, plugins=["jobs"], mods=[])

    @app.export(mod_name="lab", background=True)
    async def add(*numbers: int) -> int:
        return sum(numbers)

    with pytest.raises(LoadError, match="name its parameters"):
        async with app:
            pass

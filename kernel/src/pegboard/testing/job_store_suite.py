"""What every job store has to do: subclass `JobStoreSuite` and give it yours.

```python
class TestMyStore(JobStoreSuite):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> Callable[[], JobStore]:
        return lambda: MyStore(tmp_path)
```

Each call of `open_store` answers another object on the same data, as another process has it; each
test starts with no data.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime
from typing import ClassVar
from uuid import UUID, uuid4

import anyio
import pytest

from pegboard.contracts.job import (
    JobDraft,
    JobEvent,
    JobFailure,
    JobOrder,
    JobProgress,
    JobQuery,
    JobRecord,
    JobStatus,
    JobStore,
)
from pegboard.errors import ConflictError, NotFoundError

__all__ = ["JobStoreSuite"]

TIMEOUT = 30.0  # seconds that something which has to happen may take

_ENDS = [status for status in JobStatus if status.is_terminal]


class JobStoreSuite:
    """The contract `pegboard.contracts.job.JobStore` as tests.

    Attributes:
        children: How many jobs are made at once in the test of numbers.
    """

    children: ClassVar[int] = 40

    pytestmark = pytest.mark.anyio

    @pytest.fixture
    def open_store(self) -> Callable[[], JobStore]:
        """Give a function that opens the store under test."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, open_store: Callable[[], JobStore]) -> JobStore:
        """Give the store under test."""
        return open_store()

    @pytest.fixture
    def project(self) -> UUID:
        """Name a project that nobody knows yet."""
        return uuid4()

    # -- making ----------------------------------------------------------------------------

    async def test_a_new_job_waits_and_is_called_like_its_task(
        self, store: JobStore, project: UUID
    ) -> None:
        job = await store.create(JobDraft(project=project, task_name="ctruncate"))
        assert (job.number, job.status, job.title) == ("1", JobStatus.PENDING, "ctruncate")
        assert job.creation_time.tzinfo is not None
        assert job.finish_time is None
        assert await store.get(job.uuid) == job

    async def test_numbers_tell_the_place_in_the_tree(self, store: JobStore, project: UUID) -> None:
        first = await _made(store, project)
        second = await _made(store, project)
        child = await _made(store, project, parent=first.uuid)
        sibling = await _made(store, project, parent=first.uuid)
        grandchild = await _made(store, project, parent=sibling.uuid)
        made = [first, second, child, sibling, grandchild]
        assert [job.number for job in made] == ["1", "2", "1.1", "1.2", "1.2.1"]

    async def test_projects_number_on_their_own(self, store: JobStore) -> None:
        assert [(await _made(store, uuid4())).number for _ in range(2)] == ["1", "1"]

    async def test_many_at_once_get_numbers_without_gaps(
        self, open_store: Callable[[], JobStore], project: UUID
    ) -> None:
        stores = [open_store(), open_store()]
        parent = await _made(stores[0], project)
        numbers: list[str] = []

        async def make(store: JobStore) -> None:
            numbers.append((await _made(store, project, parent=parent.uuid)).number)

        with anyio.fail_after(TIMEOUT):
            async with anyio.create_task_group() as group:
                for index in range(self.children):
                    group.start_soon(make, stores[index % 2])
        assert sorted(numbers, key=_place) == [f"1.{n + 1}" for n in range(self.children)]

    async def test_a_number_can_be_chosen_and_others_go_on_after_it(
        self, store: JobStore, project: UUID
    ) -> None:
        assert (await _made(store, project, number="7")).number == "7"
        assert (await _made(store, project)).number == "8"
        with pytest.raises(ConflictError):
            await _made(store, project, number="7")

    async def test_the_same_draft_twice_is_one_job(self, store: JobStore, project: UUID) -> None:
        draft = JobDraft(project=project, task_name="once", uuid=uuid4())
        assert await store.create(draft) == await store.create(draft)
        assert len(await store.list(JobQuery(project=project))) == 1

    async def test_the_same_key_twice_is_one_job(self, store: JobStore, project: UUID) -> None:
        order = JobOrder(target="mod.fn", key="invoice 7")
        draft = JobDraft(project=project, task_name="once", order=order)
        assert (await store.create(draft)).uuid == (await store.create(draft)).uuid

    async def test_a_parent_has_to_be_of_the_same_project(
        self, store: JobStore, project: UUID
    ) -> None:
        elsewhere = await _made(store, uuid4())
        for parent in (elsewhere.uuid, uuid4()):
            with pytest.raises(NotFoundError):
                await _made(store, project, parent=parent)

    async def test_what_does_not_exist_is_not_found(self, store: JobStore) -> None:
        with pytest.raises(NotFoundError):
            await store.get(uuid4())
        with pytest.raises(NotFoundError):
            await store.set_status(uuid4(), JobStatus.RUNNING)

    @pytest.mark.parametrize("text", ["Größe % _ \\ ' \"", "名前", "a\nb", "x" * 900, "😀"])
    async def test_any_title_comes_back(self, store: JobStore, project: UUID, text: str) -> None:
        made = await store.create(JobDraft(project=project, task_name="t", title=text))
        assert (await store.get(made.uuid)).title == text

    # -- statuses --------------------------------------------------------------------------

    @pytest.mark.parametrize("end", _ENDS, ids=lambda end: end.name)
    async def test_each_end_has_a_finish_time(
        self, store: JobStore, project: UUID, end: JobStatus
    ) -> None:
        job = await _made(store, project)
        if end in JobStatus.RUNNING.follows:
            await store.set_status(job.uuid, JobStatus.RUNNING)
        ended = await store.set_status(job.uuid, end)
        assert ended.status is end
        assert ended.finish_time is not None

    @pytest.mark.parametrize("before", list(JobStatus), ids=lambda status: status.name)
    async def test_a_status_follows_only_where_the_table_says_so(
        self, store: JobStore, project: UUID, before: JobStatus
    ) -> None:
        for after in JobStatus:
            job = await _brought_to(store, project, before)
            if after is before or after in before.follows:
                assert (await store.set_status(job.uuid, after)).status is after
            else:
                with pytest.raises(ConflictError):
                    await store.set_status(job.uuid, after)
                assert (await store.get(job.uuid)).status is before

    async def test_a_finish_time_can_be_given(self, store: JobStore, project: UUID) -> None:
        job, time = await _made(store, project), datetime(2020, 2, 29, 12, 30, tzinfo=UTC)
        await store.set_status(job.uuid, JobStatus.FINISHED, finish_time=time)
        assert (await store.get(job.uuid)).finish_time == time

    async def test_why_it_failed_is_kept(self, store: JobStore, project: UUID) -> None:
        job = await _made(store, project)
        why = JobFailure(reason="exception", type="ValueError", message="no", traceback="…")
        await store.set_status(job.uuid, JobStatus.FAILED, failure=why)
        assert (await store.get(job.uuid)).failure == why

    # -- fences ----------------------------------------------------------------------------

    async def test_who_was_taken_over_from_changes_nothing_more(
        self, open_store: Callable[[], JobStore], project: UUID
    ) -> None:
        slow, quick = open_store(), open_store()
        job = await _made(slow, project)
        old = await slow.take(job.uuid, uuid4())
        new = await quick.take(job.uuid, uuid4())
        assert new.fence > old.fence
        with pytest.raises(ConflictError):
            await slow.set_status(job.uuid, JobStatus.FAILED, fence=old.fence)
        with pytest.raises(ConflictError):
            await slow.report(job.uuid, fence=old.fence, log=["still here"])
        assert (await slow.get(job.uuid)).status is JobStatus.RUNNING
        await quick.set_status(job.uuid, JobStatus.FINISHED, fence=new.fence)
        assert (await slow.get(job.uuid)).status is JobStatus.FINISHED

    async def test_who_takes_a_job_over_is_named(self, store: JobStore, project: UUID) -> None:
        runner = uuid4()
        taken = await store.take((await _made(store, project)).uuid, runner)
        assert (taken.runner, taken.status) == (runner, JobStatus.RUNNING)
        assert taken.process_id is not None

    async def test_a_job_that_has_succeeded_is_taken_by_nobody(
        self, store: JobStore, project: UUID
    ) -> None:
        job = await _brought_to(store, project, JobStatus.FINISHED)
        with pytest.raises(ConflictError):
            await store.take(job.uuid, uuid4())

    # -- finding ---------------------------------------------------------------------------

    async def test_jobs_are_listed_newest_first_and_by_page(
        self, store: JobStore, project: UUID
    ) -> None:
        for _ in range(5):
            await _made(store, project)
        first = await store.list(JobQuery(project=project, limit=3))
        rest = await store.list(JobQuery(project=project, limit=3, before=first[-1].ordinal))
        assert [job.number for job in [*first, *rest]] == ["5", "4", "3", "2", "1"]

    async def test_jobs_are_found_by_what_is_known_of_them(
        self, store: JobStore, project: UUID
    ) -> None:
        top = await store.create(
            JobDraft(project=project, task_name="refmac", title="100 % Wet", tags=("a", "b"))
        )
        child = await store.create(
            JobDraft(project=project, task_name="phaser", parent=top.uuid, owner="u7")
        )
        await store.set_status(child.uuid, JobStatus.RUNNING)
        for query, wanted in (
            (JobQuery(project=project, text="wet"), [top]),
            (JobQuery(project=project, text="0 %"), [top]),
            (JobQuery(project=project, text="_"), []),
            (JobQuery(project=project, tag="b"), [top]),
            (JobQuery(project=project, tag="c"), []),
            (JobQuery(project=project, top=True), [top]),
            (JobQuery(project=project, parent=top.uuid), [child]),
            (JobQuery(root=top.uuid), [child, top]),
            (JobQuery(project=project, task_name="phaser"), [child]),
            (JobQuery(project=project, owner="u7"), [child]),
            (JobQuery(project=project, statuses=(JobStatus.RUNNING,)), [child]),
            (JobQuery(project=uuid4()), []),
        ):
            found = await store.list(query)
            assert [job.uuid for job in found] == [job.uuid for job in wanted], query

    async def test_jobs_are_counted_by_status(self, store: JobStore, project: UUID) -> None:
        for status in (JobStatus.FINISHED, JobStatus.FINISHED, JobStatus.RUNNING):
            await _brought_to(store, project, status)
        counts = await store.counts(project)
        assert counts == {JobStatus.RUNNING: 1, JobStatus.FINISHED: 2}
        assert (await store.counts())[JobStatus.FINISHED] >= 2

    # -- events ----------------------------------------------------------------------------

    async def test_each_change_is_told_in_order(self, store: JobStore, project: UUID) -> None:
        job = await store.take((await _made(store, project)).uuid, uuid4())
        progress = JobProgress(fraction=0.5, message="half", done=1, total=2)
        await store.report(job.uuid, fence=job.fence, progress=progress, log=["one", "two"])
        await store.set_status(job.uuid, JobStatus.FINISHED, fence=job.fence)
        events = await store.events(project=project)
        kinds = [event.kind for event in events]
        assert kinds == ["created", "status", "progress", "log", "log", "status"]
        assert [event.seq for event in events] == sorted({event.seq for event in events})
        assert [event.data["line"] for event in events if event.kind == "log"] == ["one", "two"]
        assert events[2].data["fraction"] == 0.5
        assert events[-1].data["status"] == JobStatus.FINISHED
        assert (await store.get(job.uuid)).progress == progress
        assert await store.events(events[2].seq, project=project) == events[3:]

    async def test_a_job_is_followed_with_what_is_nested_in_it_only(
        self, store: JobStore, project: UUID
    ) -> None:
        made = [await _made(store, project) for _ in range(11)]
        await _made(store, project, parent=made[0].uuid)
        events = await store.events(job=made[0].uuid)
        assert [event.data["number"] for event in events] == ["1", "1.1"]

    async def test_a_change_that_was_refused_is_not_told(
        self, store: JobStore, project: UUID
    ) -> None:
        job = await _brought_to(store, project, JobStatus.FINISHED)
        before = await store.events(project=project)
        with pytest.raises(ConflictError):
            await store.set_status(job.uuid, JobStatus.RUNNING)
        assert await store.events(project=project) == before

    async def test_who_follows_sees_what_was_and_what_comes(
        self, open_store: Callable[[], JobStore], project: UUID
    ) -> None:
        writer, reader = open_store(), open_store()
        job = await _made(writer, project)
        seen: list[JobEvent] = []
        began = anyio.Event()

        async def follow() -> None:
            async with aclosing(reader.follow(project=project)) as events:
                async for event in events:
                    seen.append(event)
                    began.set()
                    if event.data.get("status") == JobStatus.FINISHED:
                        return

        with anyio.fail_after(TIMEOUT):
            async with anyio.create_task_group() as group:
                group.start_soon(follow)
                await began.wait()
                await writer.set_status(job.uuid, JobStatus.RUNNING)
                for number in range(20):
                    await writer.report(job.uuid, log=[str(number)])
                await writer.set_status(job.uuid, JobStatus.FINISHED)
        assert [each.seq for each in seen] == [
            each.seq for each in await writer.events(project=project)
        ]
        assert len(seen) == 23


async def _made(
    store: JobStore, project: UUID, *, parent: UUID | None = None, number: str | None = None
) -> JobRecord:
    draft = JobDraft(project=project, task_name="task", parent=parent, number=number)
    return await store.create(draft)


async def _brought_to(store: JobStore, project: UUID, status: JobStatus) -> JobRecord:
    if status is JobStatus.UNKNOWN:
        return await store.create(JobDraft(project=project, task_name="task", status=status))
    job = await _made(store, project)
    if status is JobStatus.PENDING:
        return job
    return await store.set_status(job.uuid, status)


def _place(number: str) -> tuple[int, ...]:
    return tuple(int(part) for part in number.split("."))

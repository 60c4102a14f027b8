"""What a job costs does not depend on how many there are: counted in statements, not in time."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from pegboard.contracts.job import JobDraft, JobOrder, JobQuery, JobStatus
from pegboard_jobs import _event_table, _job_query, _job_table, _queue_table, _retention
from pegboard_jobs._ledger import Ledger
from pegboard_jobs._new_job import create

MANY = 300
PROJECT = uuid4()


@pytest.fixture
def store_url() -> str:
    return ""


class Recorded:
    """A transaction that keeps what it was asked."""

    def __init__(self, changes: Any) -> None:
        self.statements: list[tuple[str, tuple[Any, ...]]] = []
        self._changes = changes

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def run(sql: str, *values: Any) -> Any:
            self.statements.append((sql, values))
            return getattr(self._changes, name)(sql, *values)

        return run

    def plans(self) -> list[str]:
        """Return how SQLite goes about each statement."""
        return [
            f"{row[3]}: {sql}"
            for sql, values in self.statements
            for row in self._changes.all(f"EXPLAIN QUERY PLAN {sql}", *values)
        ]


def recorded(ledger: Ledger, work: Callable[[Any], Any]) -> tuple[int, list[str]]:
    """Return how many statements a piece of work takes, and those of their plans that scan."""

    def run(changes: Any) -> tuple[int, list[str]]:
        inner = Recorded(changes)
        work(inner)
        plans = [each for each in inner.plans() if "ROW VALUES CLAUSE" not in each]
        # SEARCH goes through an index; a scan of an index in its order stops at the limit
        scans = [each for each in plans if each.startswith("SCAN") and "USING INDEX" not in each]
        sorts = [each for each in plans if "TEMP B-TREE FOR ORDER BY" in each]
        return len(inner.statements), scans + sorts

    return ledger.store.write_blocking(run)


def tracked(changes: Any) -> None:
    """Do what a tracked block does."""
    draft = JobDraft(project=PROJECT, task_name="t", status=JobStatus.RUNNING)
    job = create(changes, draft, (1, "here"), is_new=True)
    _job_table.end(changes, job, JobStatus.FINISHED)


def queued(changes: Any, *, later: float = 0) -> Any:
    """Queue a durable job."""
    order = JobOrder(target="x.y")
    draft = JobDraft(
        project=PROJECT, task_name="x.y", status=JobStatus.QUEUED, kind="durable", order=order
    )
    job = create(changes, draft, is_new=True)
    if later:
        sql = "UPDATE job SET ready = 0, run_at = ? WHERE uuid = ?"
        changes.execute(sql, later, str(job.uuid))
    return job


def test_a_tracked_block_takes_nine_statements_and_looks_through_nothing(ledger: Ledger) -> None:
    ledger.store.write_blocking(tracked)
    first = recorded(ledger, tracked)
    for _ in range(MANY):
        ledger.store.write_blocking(tracked)
    assert recorded(ledger, tracked) == first == (9, [])


def test_a_nested_job_takes_what_one_on_top_takes(ledger: Ledger) -> None:
    top = ledger.store.write_blocking(create, JobDraft(project=PROJECT, task_name="t"))

    def nested(changes: Any) -> None:
        create(changes, JobDraft(project=PROJECT, task_name="t", parent=top.uuid), is_new=True)

    first = recorded(ledger, nested)
    for _ in range(MANY):
        ledger.store.write_blocking(nested)
    assert recorded(ledger, nested) == first == (5, [])


def test_the_queue_looks_through_nothing_that_is_not_due(ledger: Ledger) -> None:
    for _ in range(MANY):
        ledger.store.write_blocking(queued, later=4e9)

    def claimed(changes: Any) -> None:
        assert _queue_table.next_due(changes, 1.0) == 4e9
        assert not _queue_table.is_due(changes, 1.0)
        job = queued(changes)
        taken, missing = _queue_table.claim(changes, uuid4(), (1, "here"), most=2)
        assert [each.uuid for each in taken] == [job.uuid]
        assert not missing

    _, scans = recorded(ledger, claimed)
    assert [each for each in scans if "schedule" not in each] == []


def test_lists_events_and_collection_look_through_nothing(ledger: Ledger) -> None:
    for _ in range(MANY):
        ledger.store.write_blocking(tracked)
    (job, *_) = ledger.store.read_blocking(_job_query.find, JobQuery(project=PROJECT))

    def look(changes: Any) -> None:
        for query in (
            JobQuery(),
            JobQuery(project=PROJECT),
            JobQuery(project=PROJECT, statuses=[JobStatus.FAILED]),
            JobQuery(parent=job.uuid),
            JobQuery(before=7),
        ):
            _job_query.find(changes, query)
        _job_query.by_number(changes, PROJECT, "7")
        _event_table.read(changes, 5, limit=5)
        _event_table.read(changes, 5, project=PROJECT, limit=5)

    assert recorded(ledger, look)[1] == []


def test_deleting_what_is_old_costs_the_same_for_each_job(ledger: Ledger) -> None:
    for _ in range(MANY):
        ledger.store.write_blocking(tracked)
    counts = [
        recorded(ledger, lambda changes: _retention.collect(changes, -1, most=10))[0]
        for _ in range(3)
    ]
    assert len(set(counts)) == 1

"""Processes that are killed and stopped: nothing is lost, nothing stays, nobody comes back late.

The counts are small here; `PEGBOARD_CHAOS_JOBS` and `PEGBOARD_CHAOS_KILLS` make them large.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import quantiles
from typing import Any
from uuid import uuid4

import pytest

from pegboard.contracts.job import JobDraft, JobOrder, JobStatus, RetryPolicy
from pegboard.errors import UnavailableError
from pegboard_jobs import StaleError, _job_table, _runner_table, open_ledger
from pegboard_jobs._ledger import Ledger
from pegboard_jobs._new_job import create
from pegboard_jobs._project_table import DEFAULT_PROJECT
from pegboard_jobs._store import this_process

JOBS = int(os.environ.get("PEGBOARD_CHAOS_JOBS", "40"))
KILLS = int(os.environ.get("PEGBOARD_CHAOS_KILLS", "4"))
ROUNDS = int(os.environ.get("PEGBOARD_CHAOS_ROUNDS", "3"))
BLOCKED = float(os.environ.get("PEGBOARD_CHAOS_BLOCKED", "0.5"))
WORKERS = int(os.environ.get("PEGBOARD_CHAOS_WORKERS", "2"))
WORKER = Path(__file__).with_name("worker.py")
DEADLINE = 45.0 + JOBS / 2
OPEN = "kind = 'durable' AND status IN (1, 2, 3)"


class Worker:
    """One process that works."""

    def __init__(self, folder: Path, url: str) -> None:
        command = [sys.executable, str(WORKER), str(folder), url]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def wait_ready(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"

    def kill(self) -> float:
        self.process.send_signal(signal.SIGKILL)
        at = time.time()
        self.close()
        return at

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def watcher(folder: Path, store_url: str) -> Iterator[Ledger]:
    """The store, as somebody sees it who works on nothing."""
    ledger = open_ledger(folder / ".pegboard" / "jobs", store_url)
    yield ledger
    ledger.close()


@pytest.fixture
def workers(folder: Path, store_url: str) -> Iterator[list[Worker]]:
    started = [Worker(folder, store_url) for _ in range(WORKERS)]
    try:
        for each in started:
            each.wait_ready()
        yield started
    finally:
        for each in started:
            each.close()


def submit(ledger: Ledger, target: str, **arguments: Any) -> Any:
    order = JobOrder(target=target, arguments=arguments, retry=RetryPolicy(attempts=1000))
    draft = JobDraft(
        project=DEFAULT_PROJECT,
        task_name=target,
        status=JobStatus.QUEUED,
        kind="durable",
        order=order,
    )
    return ledger.store.write_blocking(create, draft)


def rows(ledger: Ledger, sql: str, *values: Any) -> list[tuple[Any, ...]]:
    return ledger.store.read_blocking(lambda view: view.all(sql, *values))


def count(ledger: Ledger, condition: str) -> int:
    return int(rows(ledger, f"SELECT COUNT(*) FROM job WHERE {condition}")[0][0])


def wait_until(condition: Any, what: str, *, timeout: float = DEADLINE) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


@pytest.mark.timeout(55 + JOBS)
def test_killed_processes_lose_nothing_and_leave_nothing_running(
    watcher: Ledger,
    workers: list[Worker],
    folder: Path,
    store_url: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    chance = random.Random(7)
    deaths = []
    for _ in range(KILLS):
        for _ in range(JOBS // KILLS):
            submit(watcher, "chaos.deep", pause=chance.uniform(0.01, 0.08))
        wait_until(lambda: working(watcher, workers), "somebody works")
        time.sleep(chance.uniform(0, 0.03))
        victim = chance.choice(working(watcher, workers) or range(WORKERS))
        deaths.append(Death(watcher, workers[victim]))
        workers[victim] = Worker(folder, store_url)
        workers[victim].wait_ready()
    wait_until(lambda: not count(watcher, OPEN), "all durable jobs end")
    wait_until(lambda: not count(watcher, "status = 3"), "nothing runs for ever")
    assert count(watcher, "kind = 'durable' AND status <> 6") == 0
    assert count(watcher, "finish_time IS NULL") == 0
    gaps_and_twins(watcher)
    if KILLS > 10:
        told = {"jobs": count(watcher, "1 = 1"), "kills": KILLS}
        told |= spread("noted", [late for each in deaths for late in each.noted(watcher)])
        told |= spread("taken over", [late for each in deaths for late in each.taken(watcher)])
        with capsys.disabled():
            sys.stderr.write(json.dumps(told) + "\n")


class Death:
    """A worker that is killed now, with what it works on."""

    def __init__(self, ledger: Ledger, worker: Worker) -> None:
        self.process = worker.process.pid
        self.last = rows(ledger, "SELECT value FROM counter")[0][0]
        sql = "SELECT uuid FROM job WHERE kind = 'durable' AND status = 3 AND process_id = ?"
        self.jobs = [row[0] for row in rows(ledger, sql, self.process)]
        self.at = worker.kill()

    def noted(self, ledger: Ledger) -> Iterator[float]:
        """Yield how many seconds later the death is in the record of each of its jobs."""
        for found in self._told(ledger):
            killed = [time for time, data in found if data.get("failure", {}).get("type")]
            yield from (time - self.at for time in killed[:1])

    def taken(self, ledger: Ledger) -> Iterator[float]:
        """Yield how many seconds later another process works on each of its jobs."""
        for found in self._told(ledger):
            if any(data.get("failure", {}).get("type") for _, data in found):
                again = [time for time, data in found if data["status"] == JobStatus.RUNNING]
                yield from (time - self.at for time in again[:1])

    def _told(self, ledger: Ledger) -> Iterator[list[tuple[float, dict[str, Any]]]]:
        sql = "SELECT time, data FROM event WHERE job = ? AND seq > ? AND kind = 'status'"
        for job in self.jobs:
            found = rows(ledger, f"{sql} ORDER BY seq", job, self.last)
            yield [(time, json.loads(data)) for time, data in found if time >= self.at]


def spread(name: str, seconds: list[float]) -> dict[str, Any]:
    """Return what a list of delays is like, in milliseconds."""
    late = sorted(each * 1e3 for each in seconds)
    cuts = quantiles(late, n=100, method="inclusive")
    told = {"count": len(late), "p50": cuts[49], "p99": cuts[98], "max": late[-1]}
    return {f"{name} {word}": round(value, 1) for word, value in told.items()}


def working(ledger: Ledger, workers: list[Worker]) -> list[int]:
    """Return which of the workers work on something."""
    busy = {row[0] for row in rows(ledger, "SELECT process_id FROM job WHERE status = 3")}
    return [each for each in range(WORKERS) if workers[each].process.pid in busy]


def gaps_and_twins(ledger: Ledger) -> None:
    """Numbers are 1..n below each parent."""
    children: defaultdict[str | None, list[int]] = defaultdict(list)
    for parent, number in rows(ledger, "SELECT parent, number FROM job"):
        children[parent].append(int(number.rpartition(".")[2]))
    for numbers in children.values():
        assert sorted(numbers) == list(range(1, len(numbers) + 1))


@pytest.mark.timeout(60 + 5 * ROUNDS)
def test_a_stopped_process_that_comes_back_late_is_refused(
    watcher: Ledger, workers: list[Worker]
) -> None:
    refused = 0
    for _ in range(ROUNDS):
        job = submit(watcher, "chaos.deep", pause=0.3)
        deep = f"title = 'third' AND status = 3 AND number LIKE '{job.number}.%'"
        wait_until(lambda sql=deep: count(watcher, sql), "it runs, and writes nothing")
        process = rows(watcher, "SELECT process_id FROM job WHERE uuid = ?", str(job.uuid))[0][0]
        taken = taken_while_stopped(watcher, job.uuid, process)
        said = f"SELECT COUNT(*) FROM event WHERE job = '{job.uuid}' AND kind = 'status'"
        marker = submit(watcher, "chaos.deep", pause=0.4)
        wait_until(lambda uuid=marker.uuid: status_of(watcher, uuid).is_terminal, "the marker ends")
        now = watcher.store.read_blocking(_job_table.get, job.uuid)
        assert (now.status, now.fence) == (JobStatus.RUNNING, taken.fence), rows(watcher, said)
        refused += 1
        watcher.store.write_blocking(
            _job_table.set_status, job.uuid, JobStatus.FINISHED, fence=taken.fence
        )
    assert refused == ROUNDS


def taken_while_stopped(ledger: Ledger, uuid: Any, process: int) -> Any:
    """Take a job from a stopped process; one that is stopped in the middle of a commit goes on."""
    runner = ledger.runner.uuid
    while True:
        os.kill(process, signal.SIGSTOP)
        try:
            return ledger.store.write_blocking(_job_table.take, uuid, runner, this_process())
        except UnavailableError:
            continue
        finally:
            os.kill(process, signal.SIGCONT)


def status_of(ledger: Ledger, uuid: Any) -> JobStatus:
    return ledger.store.read_blocking(_job_table.get, uuid).status


def test_a_blocked_event_loop_is_not_taken_for_dead(watcher: Ledger, workers: list[Worker]) -> None:
    job = submit(watcher, "chaos.block", seconds=BLOCKED)
    wait_until(lambda: status_of(watcher, job.uuid).is_terminal, "it ends", timeout=90)
    done = watcher.store.read_blocking(_job_table.get, job.uuid)
    assert (done.status, done.attempt) == (JobStatus.FINISHED, 1)


def test_the_jobs_of_a_runner_that_is_gone_are_taken_from_it(watcher: Ledger) -> None:
    runner = _runner_table.Runner(
        uuid=uuid4(), host="gone", process_id=1, name="gone", epoch="gone/x", start_time=0, lease=0
    )
    draft = JobDraft(project=uuid4(), task_name="t", status=JobStatus.RUNNING, runner=runner.uuid)
    job = watcher.store.write_blocking(create, draft, runner.process)
    watcher.store.write_blocking(_runner_table.add, runner)
    wait_until(lambda: status_of(watcher, job.uuid) is JobStatus.INTERRUPTED, "it is noticed")
    with pytest.raises(StaleError):
        watcher.store.write_blocking(
            _job_table.set_status, job.uuid, JobStatus.FINISHED, fence=job.fence
        )

"""Jobs: what tracking one costs, however many there are, and how soon a durable one runs."""

import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any
from uuid import UUID, uuid4

import anyio

from benchmarks import durable
from benchmarks.contender import DURABLE
from benchmarks.options import Options
from benchmarks.report import Report
from benchmarks.sample import Samples
from benchmarks.table import table
from benchmarks.target import Target
from pegboard import App
from pegboard.contracts.job import JobQuery
from pegboard_database import Changes
from pegboard_jobs import AsyncDatabaseHandler, open_ledger
from pegboard_jobs._ledger import Ledger
from tests.servers.postgres import running_postgres

CYCLES, AT_ONCE = 3_000, 100
"""Tracked objects of one measurement, and how many of them are tracked at once."""

FORMER = 132
"""Full cycles of `track_job` per second of the documented system, on SQLite, on such a machine."""

FEW = 200
"""Jobs whose making is timed, at the beginning and after `MANY`."""

MANY, MILLION = 10_000, 1_000_000
CALLS = 2_000
ALONE, TOGETHER = 100, 2_000

CYCLE_CASES = ("one by one", "at once", "per CPU s")
DURABLE_CASES = ("submit to run, ms", "jobs/s")
OURS, PEER = "pegboard, PostgreSQL", "procrastinate, PostgreSQL"

ROWS = """
    INSERT INTO job (uuid, project, number, task_name, title, status, kind, ordinal,
        creation_time, start_time, finish_time, fence, attempt)
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
    SELECT printf('%032x', i), ?, 'x' || i, 'task', 'title ' || i, 6, 'tracked', i + 100000000,
        1.7e9 + i, 1.7e9 + i, 1.7e9 + i + 1, 1, 1 FROM n
"""


class Script:
    """The least that can be tracked."""

    TASKNAME = "task"
    _dbJobId: UUID | None = None  # noqa: N815 - the documented name


def run(options: Options) -> Report:
    """Measure in turn; the databases are made anew in each round."""
    samples = Samples()
    share = 50 if options.smoke else 1
    contenders = options.choose(DURABLE)
    with running_postgres() as server:
        for _ in range(min(options.rounds, 3)):
            for name, url in (("SQLite", ""), ("PostgreSQL", server.database())):
                with _opened(url) as ledger:
                    anyio.run(_cycles, samples, name, ledger, CYCLES // share)
            with _opened("") as ledger:
                anyio.run(_growth, samples, ledger, MANY // share)
            anyio.run(_export, samples, CALLS // share)
            for contender in contenders:
                url = "" if contender.name.endswith("SQLite") else server.database()
                count = {"alone": max(ALONE // share, 10), "together": max(TOGETHER // share, 100)}
                measure = partial(durable.measure, contender.module, url, **count)
                latency, rate = anyio.run(measure)
                samples.add(contender.name, "submit to run, ms", latency * 1e3)
                samples.add(contender.name, "jobs/s", rate)
    with _opened("") as ledger:
        anyio.run(_newest, samples, ledger, MILLION // share)
    return _report(samples, [each.name for each in contenders])


@contextmanager
def _opened(url: str) -> Iterator[Ledger]:
    with tempfile.TemporaryDirectory(prefix="pegboard-bench-") as folder:
        ledger = open_ledger(Path(folder), url)
        try:
            yield ledger
        finally:
            ledger.close()


async def _cycles(samples: Samples, name: str, ledger: Ledger, count: int) -> None:
    """Track objects, one after another and many at once."""
    handler = AsyncDatabaseHandler(uuid4(), ledger=ledger)

    async def track(times: int) -> None:
        for _ in range(times):
            async with handler.track_job(Script()):
                pass

    await track(5)
    since = perf_counter()
    await track(max(count // 5, 5))
    samples.add(name, "one by one", max(count // 5, 5) / (perf_counter() - since))
    each = max(count // AT_ONCE, 1)
    since, busy = perf_counter(), process_time()
    async with anyio.create_task_group() as group:
        for _ in range(AT_ONCE):
            group.start_soon(track, each)
    samples.add(name, "at once", each * AT_ONCE / (perf_counter() - since))
    samples.add(name, "per CPU s", each * AT_ONCE / (process_time() - busy))


async def _growth(samples: Samples, ledger: Ledger, many: int) -> None:
    """Make jobs, and once more when there are many."""
    handler = AsyncDatabaseHandler(uuid4(), ledger=ledger)
    await handler.create_job("task")
    samples.add("create_job", "first, ms", await _timed(lambda: handler.create_job("task")))
    async with anyio.create_task_group() as group:
        for _ in range(AT_ONCE):
            group.start_soon(_repeat, lambda: handler.create_job("task"), many // AT_ONCE)
    samples.add("create_job", "later, ms", await _timed(lambda: handler.create_job("task")))


async def _repeat(work: Callable[[], Awaitable[object]], count: int) -> None:
    for _ in range(count):
        await work()


async def _timed(work: Callable[[], Awaitable[object]]) -> float:
    """Return the median milliseconds."""
    times = []
    for _ in range(FEW):
        since = perf_counter()
        await work()
        times.append(perf_counter() - since)
    return median(times) * 1e3


async def _newest(samples: Samples, ledger: Ledger, count: int) -> None:
    handler = AsyncDatabaseHandler(uuid4(), ledger=ledger)
    await handler.create_job("task")

    def fill(changes: Changes) -> None:
        changes.execute(ROWS, count, str(handler.project_uuid))

    await ledger.store.write(fill)
    project, far = handler.project_uuid, 100_000_000 + count // 2
    queries = {
        "newest 50, ms": JobQuery(project=project),
        "newest 50 that failed, ms": JobQuery(project=project, statuses=[5]),
        "a page far back, ms": JobQuery(project=project, before=far),
    }
    for name, query in queries.items():
        samples.add("list", name, await _timed(lambda query=query: ledger.store.list(query)))


async def _export(samples: Samples, count: int) -> None:
    """Call an export that is tracked and one that is not."""
    with tempfile.TemporaryDirectory(prefix="pegboard-bench-") as folder:
        app = App("bench", project=folder, plugins=["jobs"], mods=[])

        @app.export(mod_name="bench")
        async def plain() -> int:
            return 1

        @app.export(mod_name="bench", job=True)
        async def tracked() -> int:
            return 1

        async with app:
            for name in ("plain", "tracked"):
                since = process_time()
                async with anyio.create_task_group() as group:
                    for _ in range(AT_ONCE):
                        work = partial(app.call, f"bench.{name}")
                        group.start_soon(_repeat, work, max(count // AT_ONCE, 1))
                calls = max(count // AT_ONCE, 1) * AT_ONCE
                samples.add("export", name, (process_time() - since) / calls * 1e6)


def _report(samples: Samples, durables: list[str]) -> Report:
    return Report(
        suite="jobs",
        tables=[
            table(
                "Full cycles of track_job per second",
                ["database", *CYCLE_CASES],
                _rows(samples, ["SQLite", "PostgreSQL"], CYCLE_CASES),
            ),
            table(
                "Durable jobs, one process that works on 8 at once",
                ["engine", *DURABLE_CASES],
                _rows(samples, durables, DURABLE_CASES),
            ),
            table(
                "On SQLite; calls of an export in microseconds of processor time",
                ["what", "median"],
                [
                    [f"{name}: {case}", samples.median(name, case)]
                    for name in ("create_job", "list", "export")
                    for case in samples.values[name]
                ],
            ),
        ],
        samples=samples,
        targets=_targets(samples),
    )


def _rows(samples: Samples, names: list[str], cases: Sequence[str]) -> list[list[Any]]:
    return [[name, *(samples.median(name, case) for case in cases)] for name in names]


def _targets(samples: Samples) -> list[Target]:
    first, later = (samples.median("create_job", f"{each}, ms") for each in ("first", "later"))
    return [
        Target(
            text=f"cycles of track_job per second on SQLite, {AT_ONCE} at once: 20 times {FORMER}",
            limit=20 * FORMER,
            value=samples.median("SQLite", "at once"),
            at_most=False,
        ),
        Target(
            text=f"making job {MANY:,} / making the first",
            limit=1.3,
            value=later / first if first and later else None,
        ),
        Target(
            text=f"the newest 50 of {MILLION:,} jobs, ms",
            limit=5.0,
            value=samples.median("list", "newest 50, ms"),
        ),
        Target(
            text="submit to run on PostgreSQL: pegboard / procrastinate",
            limit=1.0,
            value=samples.ratio(OURS, PEER, "submit to run, ms"),
        ),
        Target(
            text="durable jobs per second on PostgreSQL: pegboard / procrastinate",
            limit=1.0,
            value=samples.ratio(OURS, PEER, "jobs/s"),
            at_most=False,
        ),
    ]

"""Overhead per request without a server: microseconds of processor time."""

import json
from contextlib import ExitStack

from benchmarks.child import Child, cores
from benchmarks.contender import HTTP, Contender
from benchmarks.options import Options
from benchmarks.report import Report
from benchmarks.sample import Samples
from benchmarks.table import Cell, table
from benchmarks.target import Target

CASES = ("GET", "POST")
COUNT = 1_000
"""Requests per batch."""

PASSES = 15
"""Batches of each contender and case per round."""


def run(options: Options) -> Report:
    """Measure every contender in each round, with fresh processes and batches in turn."""
    contenders = options.choose(HTTP)
    samples = Samples()
    for _ in range(options.rounds):
        _round(contenders, samples, passes=1 if options.smoke else PASSES)
    return Report(
        suite="asgi",
        tables=[_table(case, contenders, samples) for case in CASES],
        samples=samples,
        targets=[target for case in CASES for target in _targets(case, samples)],
    )


def _round(contenders: list[Contender], samples: Samples, *, passes: int) -> None:
    with ExitStack() as stack:
        workers = {}
        for contender in contenders:
            child = Child.python("-m", "benchmarks.worker", "asgi", contender.key, core=cores()[0])
            workers[contender.name] = stack.enter_context(child)
        for name, worker in workers.items():
            for case, size in json.loads(worker.line())["sizes"].items():
                samples.add(name, f"{case} bytes", size)
        for _ in range(passes):
            for case in CASES:
                for name, worker in workers.items():
                    nanoseconds = int(worker.ask(f"{case} {COUNT}"))
                    samples.add(name, case, nanoseconds / 1000 / COUNT)


def _table(case: str, contenders: list[Contender], samples: Samples) -> str:
    rows: list[list[Cell]] = []
    floor = samples.median("nothing", case) or 0.0
    bare = samples.median("bare", case)
    for contender in contenders:
        name = contender.name
        value = samples.median(name, case)
        net = None if value is None or not floor else value - floor
        rows.append(
            [
                name,
                value,
                net,
                samples.ratio(name, "bare", case),
                net / (bare - floor) if net is not None and bare else None,
                samples.ratio(name, "fastapi", case),
                str(round(samples.median(name, f"{case} bytes") or 0)),
            ]
        )
    head = ["contender", "us", "us net", "/ bare", "net / bare", "/ fastapi", "bytes"]
    return table(f"{case}: microseconds per request, no server", head, rows)


def _targets(case: str, samples: Samples) -> list[Target]:
    limits = {"bare": 1.4, "fastapi": 0.1, "litestar": 0.2}
    return [
        Target(
            text=f"{case}: pegboard / {other}",
            limit=limit,
            value=samples.ratio("pegboard", other, case),
        )
        for other, limit in limits.items()
    ]

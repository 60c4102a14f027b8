"""Locks: what one costs when nobody else wants it, and how long it is waited for when all do."""

import json
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from importlib import import_module
from statistics import quantiles
from time import perf_counter, process_time

from benchmarks.contender import LOCK, Contender
from benchmarks.options import Options
from benchmarks.report import Report
from benchmarks.sample import Samples
from benchmarks.table import table
from benchmarks.target import Target

ALONE = 20_000
"""Times that the lock is entered while nobody else wants it."""

PROCESSES = 4
TURNS = 2_000
"""Times that each process enters it while all want it."""

HOLD = 0.0002
"""Seconds that it is held each time."""

OURS, PEER = "pegboard LockFolder", "flock by hand"


def run(options: Options) -> Report:
    """Measure one process alone, then several at once; each contender in turn."""
    contenders = options.choose(LOCK)
    samples = Samples()
    share = 100 if options.smoke else 1
    for _ in range(options.rounds):
        for contender in contenders:
            with tempfile.TemporaryDirectory(prefix="pegboard-bench-") as folder:
                samples.add(contender.name, "pairs/s", _alone(contender, folder, ALONE // share))
                _together(contender, folder, samples, turns=TURNS // share)
    rows = [
        [
            contender.name,
            samples.median(contender.name, "pairs/s"),
            samples.median(contender.name, "turns/s"),
            samples.median(contender.name, "p99 ms"),
            samples.max(contender.name, "max ms"),
        ]
        for contender in contenders
    ]
    head = ["lock", "alone, pairs per CPU s", f"{PROCESSES} processes, turns/s", "p99 ms", "max ms"]
    return Report(
        suite="lock",
        tables=[table("A lock between processes", head, rows)],
        samples=samples,
        targets=[
            Target(
                text="acquire and release per second of processor time, nobody else there",
                limit=25_000,
                value=samples.median(OURS, "pairs/s"),
                at_most=False,
            ),
            Target(
                text="99th percentile of the waits: pegboard / flock by hand",
                limit=1.0,
                value=samples.ratio(OURS, PEER, "p99 ms"),
            ),
            Target(
                text="longest of the waits: pegboard / flock by hand",
                limit=1.0,
                value=_longest(samples),
            ),
        ],
    )


def _longest(samples: Samples) -> float | None:
    ours, peer = samples.max(OURS, "max ms"), samples.max(PEER, "max ms")
    return ours / peer if ours and peer else None


def _alone(contender: Contender, folder: str, count: int) -> float:
    enter = import_module(contender.module).open_lock(folder)
    since = process_time()
    for _ in range(count):
        with enter():
            pass
    return count / (process_time() - since)


def _together(contender: Contender, folder: str, samples: Samples, *, turns: int) -> None:
    command = [sys.executable, "-m", "benchmarks.lock_worker", contender.module, folder]
    pipe = subprocess.PIPE
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                subprocess.Popen(
                    [*command, str(turns), str(HOLD)], stdin=pipe, stdout=pipe, text=True
                )
            )
            for _ in range(PROCESSES)
        ]
        for worker in workers:
            assert worker.stdout is not None
            worker.stdout.readline()
        since = perf_counter()
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        waits = [each for worker in workers for each in json.loads(worker.communicate()[0])]
        seconds = perf_counter() - since
    samples.add(contender.name, "turns/s", len(waits) / seconds)
    samples.add(contender.name, "p99 ms", quantiles(waits, n=100)[-1] * 1e3)
    samples.add(contender.name, "max ms", max(waits) * 1e3)

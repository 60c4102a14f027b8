"""Hits of a cache in memory: how many per second."""

from contextlib import ExitStack

from benchmarks.child import Child, cores
from benchmarks.contender import CACHE, Contender
from benchmarks.options import Options
from benchmarks.report import Report
from benchmarks.sample import Samples
from benchmarks.table import table
from benchmarks.target import Target

COUNT = 10_000
"""Hits per batch."""

PASSES = 10
"""Batches of each contender per round."""

OURS, PEER = "pegboard memory_cache", "cashews @cache"


def run(options: Options) -> Report:
    """Measure ``add(1, 2)`` answered from each cache, with fresh processes in each round."""
    contenders = options.choose(CACHE)
    samples = Samples()
    for _ in range(options.rounds):
        _round(contenders, samples, passes=1 if options.smoke else PASSES)
    rows = [
        [
            contender.name,
            samples.median(contender.name, "hits/s"),
            1e6 / (samples.median(contender.name, "hits/s") or 1),
            samples.ratio(contender.name, PEER, "hits/s"),
        ]
        for contender in contenders
    ]
    return Report(
        suite="cache",
        tables=[table("Hits in memory (asyncio)", ["cache", "hits/s", "us", "/ cashews"], rows)],
        samples=samples,
        targets=[
            Target(
                text="hits per second: pegboard / cashews",
                limit=1.0,
                value=samples.ratio(OURS, PEER, "hits/s"),
                at_most=False,
            )
        ],
    )


def _round(contenders: list[Contender], samples: Samples, *, passes: int) -> None:
    with ExitStack() as stack:
        workers = {}
        for contender in contenders:
            child = Child.python("-m", "benchmarks.worker", "call", contender.key, core=cores()[0])
            workers[contender.name] = stack.enter_context(child)
        for worker in workers.values():
            worker.line()
        for _ in range(passes):
            for name, worker in workers.items():
                seconds = int(worker.ask(f"call {COUNT}")) / 1e9
                samples.add(name, "hits/s", COUNT / seconds)

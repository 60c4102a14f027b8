"""Calls in process: how many per second."""

from contextlib import ExitStack

from benchmarks.child import Child, cores
from benchmarks.contender import CALL
from benchmarks.options import Options
from benchmarks.report import Report
from benchmarks.sample import Samples
from benchmarks.table import table
from benchmarks.target import Target

COUNT = 10_000
"""Calls per batch."""

PASSES = 20
"""Batches of each contender per round."""


def run(options: Options) -> Report:
    """Measure ``add(a=1, b=2)`` called in each way, with fresh processes in each round."""
    contenders = options.choose(CALL)
    samples = Samples()
    for _ in range(options.rounds):
        with ExitStack() as stack:
            workers = {}
            for contender in contenders:
                child = Child.python(
                    "-m", "benchmarks.worker", "call", contender.key, core=cores()[0]
                )
                workers[contender.name] = stack.enter_context(child)
            for worker in workers.values():
                worker.line()
            for _ in range(1 if options.smoke else PASSES):
                for name, worker in workers.items():
                    seconds = int(worker.ask(f"call {COUNT}")) / 1e9
                    samples.add(name, "calls/s", COUNT / seconds)
    rows = [
        [
            contender.name,
            samples.median(contender.name, "calls/s"),
            1e6 / (samples.median(contender.name, "calls/s") or 1),
            samples.ratio(contender.name, "direct await", "calls/s"),
        ]
        for contender in contenders
    ]
    return Report(
        suite="call",
        tables=[table("Calls in process (asyncio)", ["way", "calls/s", "us", "/ direct"], rows)],
        samples=samples,
        targets=[
            Target(
                text="app.call: calls per second",
                limit=300_000,
                value=samples.median("pegboard app.call", "calls/s"),
                at_most=False,
            )
        ],
    )

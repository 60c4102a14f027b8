"""Finding out who asks: microseconds per request."""

from contextlib import ExitStack

from benchmarks.child import Child, cores
from benchmarks.contender import SESSION, Contender
from benchmarks.options import Options
from benchmarks.report import Report
from benchmarks.sample import Samples
from benchmarks.table import table
from benchmarks.target import Target

COUNT = 5_000
"""Requests per batch."""

PASSES = 10
"""Batches of each contender per round."""

LIMIT = 15.0  # microseconds
UNIT = "us/request"


def run(options: Options) -> Report:
    """Measure one request after the other that shows the same, in fresh processes each round."""
    contenders = options.choose(SESSION)
    samples = Samples()
    for _ in range(options.rounds):
        _round(contenders, samples, passes=1 if options.smoke else PASSES)
    rows = [
        [
            contender.name,
            samples.median(contender.name, UNIT),
            samples.ratio(contender.name, "itsdangerous cookie", UNIT),
        ]
        for contender in contenders
    ]
    return Report(
        suite="session",
        tables=[table("Who asks (asyncio)", ["shown", "us", "/ itsdangerous"], rows)],
        samples=samples,
        targets=[
            Target(
                text=f"{name}: microseconds",
                limit=LIMIT,
                value=samples.median(name, UNIT),
                at_most=True,
            )
            for name in ("pegboard cookie", "pegboard bearer")
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
                nanoseconds = int(worker.ask(f"call {COUNT}"))
                samples.add(name, UNIT, nanoseconds / 1e3 / COUNT)

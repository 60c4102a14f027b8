"""Documents of 1 KB in S3 and Redis: what a save and a load cost, 16 at a time.

The services are those of the tests, on this machine; `BENCHMARK_S3` names another S3 service, with
a bucket `pegboard` and the key `sample`. Its own speed bounds what is done per second, so the
processor time of the client is the figure that compares clients.
"""

import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.child import Child, cores
from benchmarks.contender import CLOUD_REDIS, CLOUD_S3, Contender
from benchmarks.options import Options
from benchmarks.report import Report
from benchmarks.sample import Samples
from benchmarks.table import Cell, table
from benchmarks.target import Target
from tests.servers.redis import RedisServer
from tests.servers.s3 import S3Server

CASES = ("save", "load")
COUNT = 400
"""Documents per batch."""


def run(options: Options) -> Report:
    """Measure every client in each round, with fresh processes and batches in turn."""
    samples = Samples()
    groups = {"S3": options.choose(CLOUD_S3), "Redis": options.choose(CLOUD_REDIS)}
    count = 50 if options.smoke else COUNT
    with ExitStack() as stack:
        _start_services(stack)
        for _ in range(options.rounds):
            for contenders in groups.values():
                _round(contenders, samples, count=count)
    return Report(
        suite="cloud",
        tables=[_table(service, group, samples) for service, group in groups.items()],
        samples=samples,
        targets=[target for case in CASES for target in _targets(case, samples)],
    )


def _start_services(stack: ExitStack) -> None:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    redis = stack.enter_context(RedisServer(folder))
    os.environ["BENCHMARK_REDIS"] = redis.url
    if "BENCHMARK_S3" not in os.environ:
        os.environ["BENCHMARK_S3"] = stack.enter_context(S3Server()).endpoint
        stack.callback(os.environ.pop, "BENCHMARK_S3")


def _round(contenders: Sequence[Contender], samples: Samples, *, count: int) -> None:
    for case in CASES:
        for contender in contenders:
            command = ("-m", "benchmarks.worker", "cloud", contender.key)
            with Child.python(*command, core=cores()[0]) as worker:
                worker.line()
                began = time.monotonic()
                nanoseconds = int(worker.ask(f"{case} {count}"))
                samples.add(contender.name, f"{case}/s", count / (time.monotonic() - began))
                samples.add(contender.name, case, nanoseconds / 1000 / count)


def _table(service: str, contenders: Sequence[Contender], samples: Samples) -> str:
    rows: list[list[Cell]] = []
    for contender in contenders:
        row: list[Cell] = [contender.name]
        for case in CASES:
            row += [
                samples.median(contender.name, f"{case}/s"),
                samples.median(contender.name, case),
            ]
        rows.append(row)
    head = ["client", "saves/s", "CPU us", "loads/s", "CPU us"]
    return table(f"1 KB documents in {service}, 16 at a time", head, rows)


def _targets(case: str, samples: Samples) -> list[Target]:
    return [
        Target(
            text=f"{case} on S3, CPU time: pegboard / {other}",
            limit=1.0,
            value=samples.ratio("pegboard on S3", other, case),
        )
        for other in ("boto3", "aiobotocore")
    ]

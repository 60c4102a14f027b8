"""Documents saved to a service and loaded from it by several clients at once.

The suite names the service in the environment, see `suites/cloud.py`.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from benchmarks.worker import Batch

__all__ = ["BUCKET", "CLIENTS", "DATA", "S3", "blocking", "concurrent", "name"]

CLIENTS = 16
"""How many work at once."""

FILES = 200
DATA = b'{"text": "' + b"x" * 1_000 + b'"}'
BUCKET = "pegboard"
S3 = {
    "endpoint_url": os.environ.get("BENCHMARK_S3", ""),
    "aws_access_key_id": "sample",
    "aws_secret_access_key": "sample",
    "region_name": "us-east-1",
}
"""How botocore's clients are made."""


def name(number: int) -> str:
    """Return the name of a document."""
    return f"document-{number % FILES}"


def blocking(do: Callable[[int], object]) -> Batch:
    """Return a batch of calls that block, each client in a thread."""
    pool = ThreadPoolExecutor(CLIENTS)

    def work(numbers: range) -> None:
        for number in numbers:
            do(number)

    async def run(count: int) -> None:
        loop = asyncio.get_running_loop()
        shares = [range(start, count, CLIENTS) for start in range(CLIENTS)]
        await asyncio.gather(*(loop.run_in_executor(pool, work, share) for share in shares))

    return run


def concurrent(do: Callable[[int], Awaitable[object]]) -> Batch:
    """Return a batch of asynchronous calls, each client in a task."""

    async def work(numbers: range) -> None:
        for number in numbers:
            await do(number)

    async def run(count: int) -> None:
        await asyncio.gather(*(work(range(start, count, CLIENTS)) for start in range(CLIENTS)))

    return run

"""redis-py itself: the library below Pegboard's store on Redis."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import redis

from benchmarks.cloud import CLIENTS, DATA, blocking, name
from benchmarks.worker import Batch


@asynccontextmanager
async def open_cloud() -> AsyncIterator[dict[str, Batch]]:
    """Give the loops over saves and loads."""
    client = redis.Redis.from_url(os.environ["BENCHMARK_REDIS"], max_connections=CLIENTS + 1)
    yield {
        "save": blocking(lambda number: client.set(name(number), DATA)),
        "load": blocking(lambda number: client.get(name(number))),
    }
    client.close()

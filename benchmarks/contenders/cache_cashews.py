"""A hit of `cashews.cache` in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cashews import Cache

from benchmarks.worker import Batch


@asynccontextmanager
async def open_call() -> AsyncIterator[Batch]:
    """Give the loop over hits."""
    cache = Cache()
    cache.setup("mem://")

    @cache(ttl=300)
    async def add(a: int, b: int) -> int:
        return a + b

    async def run(count: int) -> int:
        total = 0
        for _ in range(count):
            total += await add(1, 2)
        return total

    yield run

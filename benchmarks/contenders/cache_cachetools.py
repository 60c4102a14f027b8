"""A hit of `cachetools.cached` on a plain function."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cachetools import TTLCache, cached

from benchmarks.worker import Batch


@asynccontextmanager
async def open_call() -> AsyncIterator[Batch]:
    """Give the loop over hits."""

    @cached(TTLCache(maxsize=100, ttl=300))
    def add(a: int, b: int) -> int:
        return a + b

    async def run(count: int) -> int:
        total = 0
        for _ in range(count):
            total += add(1, 2)
        return total

    yield run

"""A hit of an export with `memory_cache`, called through its slot."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.worker import Batch
from pegboard import App


@asynccontextmanager
async def open_call() -> AsyncIterator[Batch]:
    """Give the loop over hits."""
    async with App("bench", plugins=["caching"], mods=[]) as app:

        @app.export(mod_name="Bench", memory_cache=True)
        async def add(a: int, b: int) -> int:
            return a + b

        slot = app.registry.table["Bench.add"]

        async def run(count: int) -> int:
            total = 0
            for _ in range(count):
                total += (await slot.call(1, 2)).get()
            return total

        yield run

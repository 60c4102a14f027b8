"""Call an export in process by its name, and take the bare value out of the Result."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.contenders import pegboard_mod
from benchmarks.worker import Batch
from pegboard import App


@asynccontextmanager
async def open_call() -> AsyncIterator[Batch]:
    """Run an app without any plugin and give the loop over ``app.call``."""
    async with App("bench", plugins=[], mods=[pegboard_mod]) as app:

        async def run(count: int) -> int:
            call = app.call
            total = 0
            for _ in range(count):
                total += (await call("Bench.add", a=1, b=2)).get()
            return total

        yield run

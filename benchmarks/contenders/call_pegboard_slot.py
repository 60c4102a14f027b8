"""Call an export in process through its slot, as a transport or another plugin holds it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.contenders import pegboard_mod
from benchmarks.worker import Batch
from pegboard import App


@asynccontextmanager
async def open_call() -> AsyncIterator[Batch]:
    """Run an app without any plugin and give the loop over ``slot.call``."""
    async with App("bench", plugins=[], mods=[pegboard_mod]) as app:
        slot = app.registry.table["Bench.add"]

        async def run(count: int) -> int:
            total = 0
            for _ in range(count):
                total += (await slot.call(a=1, b=2)).get()
            return total

        yield run

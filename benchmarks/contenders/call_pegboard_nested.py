"""Call an export by its name from within a call: what a mod does that uses another mod."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.contenders import pegboard_mod
from benchmarks.worker import Batch
from pegboard import App, entered


@asynccontextmanager
async def open_call() -> AsyncIterator[Batch]:
    """Run an app without any plugin and give the loop over ``app.call``, inside a call."""
    async with App("bench", plugins=[], mods=[pegboard_mod]) as app:

        async def run(count: int) -> int:
            call = app.call
            total = 0
            with entered(app):
                for _ in range(count):
                    total += (await call("Bench.add", a=1, b=2)).get()
            return total

        yield run

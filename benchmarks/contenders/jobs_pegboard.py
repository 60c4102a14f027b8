"""Durable jobs of Pegboard, in SQLite or in PostgreSQL."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import time

from benchmarks.durable import Seen, Submit
from pegboard import App


@asynccontextmanager
async def running(url: str, workers: int, seen: Seen) -> AsyncIterator[Submit]:
    """Run an app that works on what is submitted; no URL means SQLite."""
    with tempfile.TemporaryDirectory(prefix="pegboard-bench-") as folder:
        config = {"plugins": {"jobs": {"url": url, "workers": workers}}}
        app = App("bench", project=folder, plugins=["jobs"], mods=[], config=config)

        @app.export(mod_name="bench")
        async def noop(sent: float) -> None:
            seen.note(time() - sent)

        async with app:

            async def submit() -> None:
                await app.jobs.submit("bench.noop", sent=time())

            yield submit

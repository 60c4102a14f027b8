"""Durable jobs of Procrastinate, in PostgreSQL, as its documentation runs them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import time

from procrastinate import App, PsycopgConnector

from benchmarks.durable import Seen, Submit


@asynccontextmanager
async def running(url: str, workers: int, seen: Seen) -> AsyncIterator[Submit]:
    """Run a worker that is told of new jobs by the server."""
    app = App(connector=PsycopgConnector(conninfo=url))

    @app.task(name="noop")
    async def noop(sent: float) -> None:
        seen.note(time() - sent)

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        worker = asyncio.create_task(
            app.run_worker_async(concurrency=workers, install_signal_handlers=False)
        )

        async def submit() -> None:
            await noop.defer_async(sent=time())

        yield submit
        worker.cancel()
        with suppress(asyncio.CancelledError):
            await worker

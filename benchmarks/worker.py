"""A process that measures one contender in process, batch by batch, as it is told.

Run as ``python -m benchmarks.worker asgi|call|cloud CONTENDER``. It prints one JSON line when ready
(the cases and the length of each answer in bytes), then reads lines ``CASE COUNT`` and prints the
processor time in nanoseconds that the batch took. Each contender in a process of its own: no
contender pays for another one's heap, monkey patches or specialised byte code.
"""

import asyncio
import gc
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeAlias

from benchmarks.contender import ALL, Contender
from benchmarks.exchange import EXCHANGES
from benchmarks.lifespan import lifespan

Batch: TypeAlias = Callable[[int], Awaitable[object]]

WARM_UP = 2_000
"""Calls before the first batch: enough for the interpreter to specialise the byte code."""

WARM_UPS = {"cloud": 200}
"""Where it is the documents that have to be there."""


@asynccontextmanager
async def _open_asgi(
    contender: Contender,
) -> AsyncIterator[tuple[dict[str, Batch], dict[str, int]]]:
    async with contender.open("open_app") as opened, lifespan(opened) as app:
        sizes = {name: len(await exchange.check(app)) for name, exchange in EXCHANGES.items()}
        yield {name: partial(exchange.run, app) for name, exchange in EXCHANGES.items()}, sizes


@asynccontextmanager
async def _open_call(
    contender: Contender,
) -> AsyncIterator[tuple[dict[str, Batch], dict[str, int]]]:
    async with contender.open("open_call") as run:
        total = await run(2)
        if total != 6:
            raise AssertionError(f"two calls of add(1, 2) gave {total}")
        yield {"call": run}, {}


@asynccontextmanager
async def _open_cloud(
    contender: Contender,
) -> AsyncIterator[tuple[dict[str, Batch], dict[str, int]]]:
    async with contender.open("open_cloud") as batches:
        yield batches, {}


_OPEN = {"asgi": _open_asgi, "call": _open_call, "cloud": _open_cloud}


async def _serve(kind: str, contender: Contender) -> None:
    async with _OPEN[kind](contender) as (batches, sizes):
        for batch in batches.values():
            await batch(WARM_UPS.get(kind, WARM_UP))
        gc.collect()
        print(json.dumps({"cases": list(batches), "sizes": sizes}), flush=True)
        for line in sys.stdin:
            case, count = line.split()
            before = time.process_time_ns()
            await batches[case](int(count))
            print(time.process_time_ns() - before, flush=True)


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1], ALL[sys.argv[2]]))

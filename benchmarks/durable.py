"""Durable jobs: how long from submitting one to its first line, and how many per second."""

from collections.abc import Awaitable, Callable
from importlib import import_module
from statistics import median
from time import perf_counter

import anyio

WORKERS = 8
"""Jobs that run at once."""

WARM = 5
"""Jobs that are not timed: connections are made meanwhile."""

SENDERS = 50
"""Tasks that submit at once."""

Submit = Callable[[], Awaitable[None]]


class Seen:
    """The jobs that have begun."""

    def __init__(self) -> None:
        self.delays: list[float] = []
        self._wanted = 0
        self._reached = anyio.Event()

    def note(self, delay: float) -> None:
        """A job has begun, so many seconds after it was submitted."""
        self.delays.append(delay)
        if len(self.delays) >= self._wanted:
            self._reached.set()

    async def wait(self, count: int) -> None:
        """Wait until so many have begun."""
        self._wanted, self._reached = count, anyio.Event()
        if len(self.delays) < count:
            await self._reached.wait()


async def measure(module: str, url: str, *, alone: int, together: int) -> tuple[float, float]:
    """Return the median seconds from submitting to running, and jobs per second."""
    seen = Seen()
    async with import_module(module).running(url, WORKERS, seen) as submit:
        for number in range(WARM + alone):
            await submit()
            await seen.wait(number + 1)
        latency = median(seen.delays[WARM:])
        seen.delays.clear()
        since = perf_counter()
        async with anyio.create_task_group() as senders:
            for _ in range(SENDERS):
                senders.start_soon(_submit, submit, together // SENDERS)
            await seen.wait(together // SENDERS * SENDERS)
        return latency, len(seen.delays) / (perf_counter() - since)


async def _submit(submit: Submit, count: int) -> None:
    for _ in range(count):
        await submit()

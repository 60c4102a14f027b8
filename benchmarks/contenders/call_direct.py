"""Await the function itself: the floor for calls in process."""

from contextlib import AbstractAsyncContextManager, nullcontext

from benchmarks.worker import Batch


async def _add(a: int, b: int) -> int:
    return a + b


async def _run(count: int) -> int:
    total = 0
    for _ in range(count):
        total += await _add(a=1, b=2)
    return total


def open_call() -> AbstractAsyncContextManager[Batch]:
    """Return the loop."""
    return nullcontext(_run)

"""Threads for what blocks: who waits for one store, or one file, takes none from others.

A store that does not answer holds its callers until its deadline. So each backend has threads of
its own, and of those that write one file most wait on the loop.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio
from anyio import CapacityLimiter, Semaphore, to_thread
from anyio.lowlevel import RunVar

from pegboard.contracts.storage import FileKey
from pegboard.errors import UnavailableError

__all__ = ["in_thread", "in_thread_alone"]

T = TypeVar("T")

THREADS = 32  # of one backend
WRITERS = 4  # of one file: enough that the next one is there when a lock comes free
PATIENCE = 10.0  # seconds to wait for one of these


class _Lanes:
    """The limits of one event loop."""

    def __init__(self) -> None:
        self._backends: dict[str, CapacityLimiter] = {}
        self._files: dict[FileKey, tuple[Semaphore, int]] = {}

    def backend(self, name: str) -> CapacityLimiter:
        name = name.partition(":")[0]
        if name not in self._backends:
            self._backends[name] = CapacityLimiter(THREADS)
        return self._backends[name]

    @asynccontextmanager
    async def writing(self, key: FileKey) -> AsyncIterator[None]:
        semaphore, users = self._files.get(key, (None, 0))
        semaphore = semaphore or Semaphore(WRITERS)
        self._files[key] = (semaphore, users + 1)
        try:
            await _entered(semaphore, key)
            try:
                yield
            finally:
                semaphore.release()
        finally:
            users = self._files[key][1] - 1
            self._files[key] = (semaphore, users)
            if not users:
                del self._files[key]


async def _entered(semaphore: Semaphore, key: FileKey) -> None:
    try:
        semaphore.acquire_nowait()
    except anyio.WouldBlock:
        with anyio.move_on_after(PATIENCE) as waiting:
            await semaphore.acquire()
        if waiting.cancelled_caught:
            text = f"{key} is written by too many at once: try again"
            raise UnavailableError(text, retry_after=1) from None


_lanes: RunVar[_Lanes] = RunVar("pegboard_storage_lanes")


async def in_thread(function: Callable[[], T], backend: str) -> T:
    """Call what reads a store."""
    return await to_thread.run_sync(function, limiter=_current().backend(backend))


async def in_thread_alone(function: Callable[[], T], backend: str, key: FileKey) -> T:
    """Call what writes a file. Cancelling waits for what has begun.

    Raises:
        UnavailableError: If too many write that file.
    """
    lanes = _current()
    async with lanes.writing(key):
        return await to_thread.run_sync(function, limiter=lanes.backend(backend))


def _current() -> _Lanes:
    lanes = _lanes.get(None)
    if lanes is None:
        lanes = _Lanes()
        _lanes.set(lanes)
    return lanes

"""Wakes tasks of an event loop from another thread, many at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from anyio import CapacityLimiter, Event
from anyio.lowlevel import RunVar, current_token

__all__ = ["Loop", "current_loop", "reader_limiter"]

READERS = 8  # reads of one event loop that are in worker threads at once


class Loop:
    """The event loop of the task that made it.

    Raises:
        RuntimeError: If no event loop runs here.
    """

    def __init__(self) -> None:
        native: Any = current_token().native_token
        # asyncio and trio give this one thing under two names
        self._post: Callable[..., Any] = (
            native.call_soon_threadsafe
            if hasattr(native, "call_soon_threadsafe")
            else native.run_sync_soon
        )

    def wake(self, events: Iterable[Event]) -> None:
        """Set all events in one turn of the loop; a loop that has ended has nobody to wake."""
        try:
            self._post(_set_all, events)
        except RuntimeError:  # closed: RunFinishedError of trio is one, too
            return


_loop: RunVar[Loop] = RunVar("pegboard_database_loop")
_limiter: RunVar[CapacityLimiter] = RunVar("pegboard_database_limiter")


def current_loop() -> Loop:
    """Return the loop that runs here, the same object each time."""
    loop = _loop.get(None)
    if loop is None:
        loop = Loop()
        _loop.set(loop)
    return loop


def reader_limiter() -> CapacityLimiter:
    """Return what bounds the worker threads that read for the loop that runs here."""
    limiter = _limiter.get(None)
    if limiter is None:
        limiter = CapacityLimiter(READERS)
        _limiter.set(limiter)
    return limiter


def _set_all(events: Iterable[Event]) -> None:
    for event in events:
        event.set()

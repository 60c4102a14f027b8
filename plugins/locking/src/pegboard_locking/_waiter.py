"""How a thread or a task waits for a lock, so that any other thread can wake it."""

from __future__ import annotations

import threading
from typing import Any

import anyio
from anyio.lowlevel import current_token

__all__ = ["TaskWaiter", "ThreadWaiter", "Waiter"]


class ThreadWaiter:
    """A thread that waits."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = threading.Event()

    def wake(self) -> None:
        """End the present wait, or the next one if none is on."""
        self._event.set()

    def wait(self, seconds: float | None) -> None:
        """Wait until woken, or for a time."""
        self._event.wait(seconds)
        self._event.clear()


class TaskWaiter:
    """A task that waits; made by that task.

    Raises:
        RuntimeError: If no event loop runs here.
    """

    __slots__ = ("_event", "_post")

    def __init__(self) -> None:
        self._event = anyio.Event()
        native: Any = current_token().native_token
        # asyncio and trio give one thing under two names
        name = (
            "call_soon_threadsafe" if hasattr(native, "call_soon_threadsafe") else "run_sync_soon"
        )
        self._post = getattr(native, name)

    def wake(self) -> None:
        """End the present wait, or the next one if none is on; a loop that has ended has none."""
        try:
            self._post(self._set)
        except RuntimeError:  # closed; RunFinishedError of trio is one, too
            return

    async def wait(self, seconds: float | None) -> None:
        """Wait until woken, or for a time."""
        with anyio.move_on_after(seconds):
            await self._event.wait()
        self._event = anyio.Event()

    def _set(self) -> None:
        self._event.set()


Waiter = ThreadWaiter | TaskWaiter

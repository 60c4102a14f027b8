"""An app that runs in a thread of its own, for scripts that are not asynchronous."""

from __future__ import annotations

import atexit
from contextlib import ExitStack
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from pegboard._app import App

__all__ = ["BlockingRunner", "start_blocking"]


def start_blocking(app: App) -> BlockingRunner:
    """Start the app in an event loop in a new thread; it stops with the process at the latest."""
    with ExitStack() as starting:
        portal = starting.enter_context(anyio.from_thread.start_blocking_portal())
        starting.enter_context(portal.wrap_async_context_manager(app))
        return BlockingRunner(starting.pop_all())


class BlockingRunner:
    """Holds an app that runs in a thread.

    Args:
        stack: Stops the app and its thread when it is closed.
    """

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        atexit.register(self.close)

    def close(self) -> None:
        """Stop the app and its thread."""
        atexit.unregister(self.close)
        self._stack.close()

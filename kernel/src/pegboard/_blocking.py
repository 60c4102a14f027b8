"""An app that runs in a thread of its own, for scripts that are not asynchronous."""

from __future__ import annotations

import atexit
from contextlib import ExitStack
from typing import TYPE_CHECKING

from anyio.from_thread import start_blocking_portal

if TYPE_CHECKING:
    from pegboard._app import App

__all__ = ["BlockingRunner"]


class BlockingRunner:
    """Starts the app in an event loop in a new thread.

    Args:
        app: An app that does not run.
    """

    def __init__(self, app: App) -> None:
        self._stack = ExitStack()
        with ExitStack() as starting:
            portal = starting.enter_context(start_blocking_portal())
            starting.enter_context(portal.wrap_async_context_manager(app))
            self._stack = starting.pop_all()
        atexit.register(self.close)

    def close(self) -> None:
        """Stop the app and its thread."""
        atexit.unregister(self.close)
        self._stack.close()

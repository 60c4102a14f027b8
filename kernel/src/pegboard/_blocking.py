"""An app used by code that is not asynchronous: it runs in a thread of its own."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Coroutine
from contextlib import ExitStack
from threading import Lock
from typing import TYPE_CHECKING, Any

import anyio

from pegboard._background import on_event_loop
from pegboard._context import current_context
from pegboard._reference import is_loading

if TYPE_CHECKING:
    from pegboard._app import App

__all__ = ["BlockingRunner"]


class BlockingRunner:
    """Starts an app in a thread where nobody else has, and calls into it from others.

    Args:
        app: The app.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._starting = Lock()
        self._running = ExitStack()

    def run(self, function: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Run a coroutine function where the app runs, and wait for its answer.

        Raises:
            RuntimeError: On an event loop, which it would block.
        """
        if on_event_loop():
            raise RuntimeError("this would block the event loop: use `await app.call(...)`")
        self.start()
        return anyio.from_thread.run(function, token=self._app.token)

    def start(self) -> None:
        """Start the app, unless it runs; it stops with the process at the latest."""
        if self._app.is_running or self._is_within():
            return
        with self._starting:
            if not self._app.is_entered:
                with ExitStack() as starting:
                    portal = starting.enter_context(anyio.from_thread.start_blocking_portal())
                    starting.enter_context(portal.wrap_async_context_manager(self._app))
                    self._running = starting.pop_all()
                atexit.register(self.close)

    def close(self) -> None:
        """Stop the app and its thread, if they were started here."""
        atexit.unregister(self.close)
        self._running.close()

    def _is_within(self) -> bool:
        """Whether the app starts, and this belongs to it: a mod's code or an initial function."""
        context, app = current_context(), self._app
        is_call = context is not None and context.app is app
        return app.is_entered and (is_call or is_loading(app))

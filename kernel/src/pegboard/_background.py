"""Work that runs after a response has left."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from anyio import to_thread

if TYPE_CHECKING:
    from pegboard._app import App

__all__ = ["BackgroundTasks", "TaskWrapper", "on_event_loop"]

TASK_TIMEOUT = 10.0  # seconds that they get to end when the app stops

_logger = logging.getLogger("pegboard.task")

TaskWrapper = Callable[[str, Callable[[], Awaitable[None]]], Awaitable[None]]
"""Runs a task of a name, in surroundings of its own."""


class BackgroundTasks:
    """Runs what `Result.task` was given, in the task group of the app.

    Attributes:
        running: How many run now.
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self.running = 0
        self._idle = anyio.Event()

    def start(
        self, task: Callable[[], Any] | Awaitable[Any], *, name: str = "", wrapped: bool = False
    ) -> None:
        """Run a function (in a worker thread), a coroutine function or a coroutine.

        Args:
            task: What to run.
            name: What reports call it.
            wrapped: Whether who wraps tasks runs it, if there is somebody.
        """
        name = name or f"task {_name(task)}"
        if on_event_loop():
            self._launch(task, name, wrapped)
        else:
            anyio.from_thread.run_sync(self._launch, task, name, wrapped, token=self._app.token)

    def _launch(
        self,
        task: Callable[[], Any] | Awaitable[Any],
        name: str,
        wrapped: bool,  # noqa: FBT001 - handed on by `run_sync`, which knows no keywords
    ) -> None:
        offer = self._app.offers.table.get(BackgroundTasks) if wrapped else None
        self._app.tasks.start_soon(self._run, task, offer and offer.value, name=name)
        self.running += 1

    async def end(self) -> None:
        """Wait until nothing runs, unless that takes too long."""
        with anyio.move_on_after(TASK_TIMEOUT):
            while self.running:
                self._idle = anyio.Event()
                await self._idle.wait()
        if self.running:
            self._app.logger.error("%d background tasks are cut off", self.running)

    async def _run(
        self, task: Callable[[], Any] | Awaitable[Any], around: TaskWrapper | None
    ) -> None:
        work = partial(_perform, task, self._app)
        try:
            await (work() if around is None else around(_name(task), work))
        except (Exception, SystemExit):
            self._app.count("tasks_failed")
            _logger.exception("background task %s failed", _name(task))
        finally:
            self.running -= 1
            self._idle.set()


async def _perform(task: Callable[[], Any] | Awaitable[Any], app: App) -> None:
    if isinstance(task, Awaitable):
        await task
    elif inspect.iscoroutinefunction(task):
        await task()
    else:
        (answer,) = await to_thread.run_sync(lambda: (task(),), limiter=app.threads)
        if isinstance(answer, Awaitable):  # boxed: trio refuses a thread that returns a coroutine
            await answer


def on_event_loop() -> bool:
    """Whether this code runs in a task of an event loop, and not in a thread beside it."""
    try:
        anyio.get_current_task()
    except RuntimeError:
        return False
    return True


def _name(task: object) -> str:
    return str(getattr(task, "__qualname__", None) or type(task).__name__)

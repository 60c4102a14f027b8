"""A deadline for waits that nearly always end at once.

A timer for each costs more than everything else that is done for a small request. Nearly always
the body has come in together with the head, and the response fits into the socket's buffer. So all
waits share one timer, which looks now and then for those that were there long before.
"""

from __future__ import annotations

from asyncio import CancelledError, current_task, get_running_loop
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Task, TimerHandle

__all__ = ["Deadline", "DeadlineError"]

T = TypeVar("T")

LOOKS = 8
"""How often a wait is looked at before it is ended: one too long by an eighth is not noticed."""


class DeadlineError(TimeoutError):
    """A wait was ended since it lasted too long."""


class Deadline:
    """Ends waits that last longer than some seconds; of one event loop, one of a task at a time.

    On trio each wait has a cancel scope of its own.

    Attributes:
        seconds: How long a wait may last, give or take an eighth.

    Args:
        seconds: The same.
    """

    __slots__ = ("_begun", "_ended", "_look_count", "_loop", "_timer", "seconds")

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._begun: dict[Task[Any], int] = {}
        self._ended: set[Task[Any]] = set()
        self._look_count = 0
        self._loop: AbstractEventLoop | None = None
        self._timer: TimerHandle | None = None

    async def bound(self, wait: Callable[[], Awaitable[T]]) -> T:
        """Return the result of `wait()`.

        Raises:
            DeadlineError: If it takes longer; what was awaited is cancelled then.
        """
        task = None if self._timer is None else current_task(self._loop)
        if task is None:
            task = self._begin_to_look()
            if task is None:
                with anyio.move_on_after(self.seconds):
                    return await wait()
                raise DeadlineError
        self._begun[task] = self._look_count
        try:
            return await wait()
        except CancelledError as error:
            if task in self._ended and self._take_back(task):
                raise DeadlineError from error
            raise
        finally:
            self._begun.pop(task, None)
            if task in self._ended:  # and what was awaited has kept the cancellation to itself
                self._take_back(task)

    def close(self) -> None:
        """Look no more: nothing waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin_to_look(self) -> Task[Any] | None:
        """Set the timer, and return the running task; None on the event loop of another library."""
        try:
            loop = get_running_loop()
        except RuntimeError:
            return None
        self.close()  # the timer of a loop that runs no more
        self._begun.clear()
        self._loop = loop
        self._timer = loop.call_later(self.seconds / LOOKS, self._look, loop)
        return current_task(loop)

    def _take_back(self, task: Task[Any]) -> bool:
        """Take back that a task was cancelled, and return whether nobody else has done so."""
        self._ended.discard(task)
        return not task.uncancel()

    def _look(self, loop: AbstractEventLoop) -> None:
        """End the waits that have been there for long; look again only if there are any."""
        self._look_count += 1
        for task, begun in self._begun.items():
            if self._look_count - begun > LOOKS and task not in self._ended:
                self._ended.add(task)
                task.cancel()
        self._timer = None
        if self._begun:
            self._timer = loop.call_later(self.seconds / LOOKS, self._look, loop)

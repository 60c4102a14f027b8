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

__all__ = ["Deadline"]

T = TypeVar("T")

LOOKS = 8
"""How often a wait is looked at before it is ended: one too long by an eighth is not noticed."""


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
        self._begun: dict[Task[Any] | None, int] = {}
        self._ended: set[Task[Any] | None] = set()
        self._look_count = 0
        self._loop: AbstractEventLoop | None = None
        self._timer: TimerHandle | None = None

    async def bound(self, wait: Callable[[], Awaitable[T]]) -> T:
        """Return the result of `wait()`.

        Raises:
            TimeoutError: If it takes longer; what was awaited is cancelled then.
        """
        if self._timer is None and not self._begin_to_look():
            with anyio.fail_after(self.seconds):
                return await wait()
        task = current_task(self._loop)
        self._begun[task] = self._look_count
        try:
            return await wait()
        except CancelledError as error:
            if task in self._ended and task is not None and not task.uncancel():
                raise TimeoutError from error
            raise
        finally:
            self._begun.pop(task, None)
            if self._ended:
                self._ended.discard(task)

    def close(self) -> None:
        """Look no more: nothing waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin_to_look(self) -> bool:
        """Set the timer, and return whether the event loop is one that has such."""
        try:
            self._loop = get_running_loop()
        except RuntimeError:  # that of another library
            return False
        self._timer = self._loop.call_later(self.seconds / LOOKS, self._look, self._loop)
        return True

    def _look(self, loop: AbstractEventLoop) -> None:
        """End the waits that have been there for long; look again only if there are any."""
        self._look_count += 1
        for task, begun in self._begun.items():
            if self._look_count - begun > LOOKS and task is not None and task not in self._ended:
                self._ended.add(task)
                task.cancel()
        self._timer = None
        if self._begun:
            self._timer = loop.call_later(self.seconds / LOOKS, self._look, loop)

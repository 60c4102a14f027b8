"""Begin to wait for something, and put a deadline on the wait only if it has to wait.

A deadline costs more than everything else that is done for a small request. Nearly always the
body has come in together with the head, and the response fits into the socket's buffer, so the
first step of the wait is the last.

On trio a deadline has to be there before the wait begins, since what is awaited may open cancel
scopes of its own. On asyncio it need not: a timeout cancels the task, whatever that is doing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from types import CoroutineType
from typing import Any, Generic, TypeVar

import anyio

__all__ = ["Pending", "poll"]

T = TypeVar("T")


class Pending(Generic[T]):
    """A wait that goes on: to be ended with `within`, once, in the task that began it."""

    __slots__ = ("_wait",)

    def __init__(self, wait: _Begun[T] | Callable[[], Awaitable[T]]) -> None:
        self._wait = wait

    def close(self) -> None:
        """Give the wait up, if it has not ended yet."""
        if isinstance(self._wait, _Begun):
            self._wait.close()

    async def within(self, seconds: float) -> T:
        """Go on waiting.

        Raises:
            TimeoutError: If it takes longer; what was awaited is cancelled then.
        """
        if isinstance(self._wait, _Begun):
            async with asyncio.timeout(seconds):
                return await self._wait
        with anyio.fail_after(seconds):
            return await self._wait()


class _Begun(Awaitable[T], Generic[T]):
    """An `await` whose first step was taken by hand."""

    __slots__ = ("_steps", "_waiting_for")

    def __init__(self, steps: CoroutineType[Any, Any, T], waiting_for: Any) -> None:
        self._steps = steps
        self._waiting_for = waiting_for

    def close(self) -> None:
        self._steps.close()

    def __await__(self) -> Generator[Any, Any, T]:
        """Go on: hand the event loop what the first step has asked of it."""
        steps, waiting_for = self._steps, self._waiting_for
        while True:
            try:
                answer = yield waiting_for
            except BaseException as error:  # noqa: BLE001 - cancellation is for whoever waits
                step: Callable[[Any], Any] = steps.throw
                value: Any = error
            else:
                step, value = steps.send, answer
            try:
                waiting_for = step(value)
            except StopIteration as done:
                result: T = done.value
                return result


def poll(wait: Callable[..., Awaitable[T]], *args: Any) -> tuple[T | None, Pending[T] | None]:
    """Begin to wait for `wait(*args)`: return its result, or what remains to be waited for.

    To be called in a running task, which goes on to wait: what is begun may ask for the current
    task or open a cancel scope, and asyncio has to be what drives it. It must not be called where
    an asyncio loop runs in this thread, and yet another library drives the task: trio as a guest.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:  # another event loop runs
        return None, Pending(lambda: wait(*args))
    steps = wait(*args)
    if not isinstance(steps, CoroutineType):  # an object that only knows how to be awaited
        return None, Pending(lambda: steps)
    try:
        waiting_for = steps.send(None)
    except StopIteration as done:
        return done.value, None
    return None, Pending(_Begun(steps, waiting_for))

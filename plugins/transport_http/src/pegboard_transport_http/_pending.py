"""Begin to wait for something, and find out whether it is there already.

A deadline costs more than everything else that is done for a small request. Nearly always the
body has come in together with the head, so the first step of `receive()` answers at once; only a
wait that really has to wait is put under a deadline.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import Any, Generic, TypeVar

__all__ = ["Pending", "poll"]

T = TypeVar("T")


class Pending(Awaitable[T], Generic[T]):
    """A wait that has begun: await it to go on, exactly once, in the task that began it."""

    __slots__ = ("_steps", "_waiting_for")

    def __init__(self, steps: Generator[Any, Any, T], waiting_for: Any) -> None:
        self._steps = steps
        self._waiting_for = waiting_for

    def __await__(self) -> Generator[Any, Any, T]:
        """Go on waiting: hand the event loop what the wait has asked of it."""
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


def poll(awaitable: Awaitable[T]) -> tuple[T | None, Pending[T] | None]:
    """Take the first step of a wait: return its result, or what remains to be awaited."""
    steps = awaitable.__await__()
    try:
        waiting_for = next(steps)
    except StopIteration as done:
        return done.value, None
    return None, Pending(steps, waiting_for)

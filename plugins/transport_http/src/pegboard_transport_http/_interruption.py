"""Breaking into a wait of another task.

On asyncio a cancellation is delivered once, as asyncio's users expect: what the interrupted code
awaits in its `finally` still runs. A cancel scope would cancel each of those awaits again. On trio
that is what its users expect, and shield against.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any, Self

import anyio

__all__ = ["Interruption"]


class Interruption:
    """A block that another task can break off: `with interruption: ...`, then `interrupt()`.

    Attributes:
        happened: Whether somebody has asked for it.
    """

    __slots__ = ("_scope", "_task", "happened")

    def __init__(self) -> None:
        self.happened = False
        self._scope = anyio.CancelScope()
        self._task: asyncio.Task[Any] | None = None

    def __enter__(self) -> Self:
        self._task = _asyncio_task()
        if self._task is None:
            self._scope.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        task, self._task = self._task, None
        if task is None:
            return bool(self._scope.__exit__(kind, error, trace))
        if not (self.happened and isinstance(error, asyncio.CancelledError)):
            return False
        return task.uncancel() == 0  # else somebody else has cancelled it, too

    def interrupt(self) -> None:
        """Break the block off, which has to be running; the second time, nothing happens."""
        if self.happened:
            return
        self.happened = True
        if self._task is None:
            self._scope.cancel()
        else:
            self._task.cancel()


def _asyncio_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # another event loop runs
        return None

"""Everything that one generation has registered, and how it is undone.

Undoing goes backwards, each step has a deadline, and a step that fails is reported and does not
keep the others from being done.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import anyio

from pegboard._context import holding

if TYPE_CHECKING:
    from anyio.abc import TaskGroup, TaskStatus

__all__ = ["Scope", "current_scope", "defer_here", "registering"]

STEP_TIMEOUT = 5.0  # seconds that one step of the undoing may take

_logger = logging.getLogger("pegboard.scope")

Undo = Callable[[], Any]


class Scope:
    """Holds the undo of each registration of one generation.

    Args:
        name: What reports call it.
        tasks: Task group of the app; tasks and context managers live there, so that a scope
            can be closed from any task.
    """

    def __init__(self, name: str, tasks: TaskGroup) -> None:
        self.name = name
        self.closed = False
        self._tasks = tasks
        self._undo: list[tuple[str, Undo]] = []

    def defer(self, what: str, undo: Undo) -> None:
        """Do `undo`, a function or coroutine function, when the scope closes.

        Raises:
            RuntimeError: If the scope is closed.
        """
        if self.closed:
            raise RuntimeError(f"{self.name} is closed: {what} would never be undone")
        self._undo.append((what, undo))

    async def enter(self, what: str, manager: AbstractAsyncContextManager[Any]) -> Any:
        """Enter a context manager, left when the scope closes, in the same task.

        A cancellation from outside does not reach it: it is left in its turn, and only the
        deadline of a step cuts that off.

        Raises:
            Exception: What entering raises.
        """
        closing, left = anyio.Event(), anyio.Event()
        cancel = anyio.CancelScope()

        async def hold(*, task_status: TaskStatus[Any]) -> None:
            try:
                with cancel:
                    async with manager as value:
                        task_status.started(value)
                        cancel.shield = True
                        await closing.wait()
            except (Exception, SystemExit) as error:
                if not closing.is_set():
                    if isinstance(error, SystemExit):
                        raise _ended(error) from error
                    raise
                _logger.exception("%s: leaving %s failed", self.name, what, exc_info=error)
            finally:
                left.set()

        async def leave() -> None:
            closing.set()
            try:
                await left.wait()
            finally:
                cancel.cancel()
                with anyio.move_on_after(STEP_TIMEOUT, shield=True):
                    await left.wait()

        value = await self._tasks.start(hold, name=f"{self.name}: {what}")
        self.defer(what, leave)
        return value

    async def aclose(self) -> None:
        """Undo everything, last first; calling it again does nothing."""
        self.closed = True
        with anyio.CancelScope(shield=True):
            while self._undo:
                await self._step(*self._undo.pop())

    async def _step(self, what: str, undo: Undo) -> None:
        with anyio.move_on_after(STEP_TIMEOUT) as limit:
            try:
                answer = undo()
                if isinstance(answer, Awaitable):
                    await answer
            except (Exception, SystemExit):
                _logger.exception("%s: undoing %s failed", self.name, what)
        if limit.cancelled_caught:
            _logger.error("%s: undoing %s took more than %s s", self.name, what, STEP_TIMEOUT)


def _ended(error: SystemExit) -> RuntimeError:
    """Return what to raise in place of an exit, which would end the process from a task."""
    return RuntimeError(f"it tried to end the process with status {error.code!r}")


_current: ContextVar[Scope] = ContextVar("pegboard_scope")


def registering(scope: Scope) -> AbstractContextManager[Scope]:
    """Let what is registered in the block be undone with `scope`."""
    return holding(_current, scope)


def current_scope() -> Scope | None:
    """Return the scope that registers at the moment, None if there is none."""
    return _current.get(None)


def defer_here(what: str, undo: Undo) -> None:
    """Do `undo` when the scope closes that registers at the moment, if there is one."""
    scope = _current.get(None)
    if scope is not None and not scope.closed:
        scope.defer(what, undo)

"""A lock of a folder, to be entered by threads and by tasks."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import get_ident
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

import anyio
from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

from pegboard_locking._attempt import Attempt, Grant
from pegboard_locking._error import AlreadyHeldError, LockedError
from pegboard_locking._waiter import TaskWaiter, ThreadWaiter

if TYPE_CHECKING:
    from pegboard_locking._folder import LockFolder

__all__ = ["FileLock"]

T = TypeVar("T")

THREADS = 4  # of one event loop that look at lock files at once; none of them waits there
LAST_LOOKS = 3  # at least, whatever the timeout: somebody who only asks who holds it is in the way


class FileLock:
    """A lock of a name: `pegboard.contracts.lock.Lock`. It may be entered by several at once.

    Args:
        folder: Where the lock is.
        name: Name of the lock.
        shared: Whether others may hold it too.
        timeout: Seconds to wait, None to wait for ever.
        title: What errors call it; the name, where none is given.
    """

    __slots__ = ("_folder", "_held", "_shared", "_timeout", "_title", "name")

    def __init__(
        self,
        folder: LockFolder,
        name: str,
        *,
        shared: bool = False,
        timeout: float | None = None,
        title: str | None = None,
    ) -> None:
        self.name = name
        self._folder = folder
        self._shared = shared
        self._timeout = timeout
        self._title = title or name
        self._held: dict[tuple[int, int], Grant] = {}

    def __enter__(self) -> None:
        """Take the lock; waits in this thread.

        Raises:
            LockedError: If it was not free in time.
            AlreadyHeldError: If this thread has it already.
            UnavailableError: If its file cannot be made or locked.
        """
        self.hold()

    def hold(self) -> Grant:
        """Take the lock, as `with` does, and return what `__exit__` will release."""
        who = (get_ident(), 0)
        self._refuse_nested(who)
        grant = self._folder.grant_now(self.name, shared=self._shared, who=who)
        if grant is not None:
            self._held[who] = grant
            return grant
        waiter = ThreadWaiter()
        attempt = Attempt(self._folder, self.name, shared=self._shared, who=who, waiter=waiter)
        deadline = _Deadline(self._timeout)
        try:
            while not attempt.is_next():
                waiter.wait(deadline.left())
            while not isinstance(answer := attempt.advance(), Grant):
                waiter.wait(deadline.next_look(answer))
            self._held[who] = attempt.take()
            return answer
        except _LateError:
            raise self._too_late() from None
        finally:
            attempt.settle()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the lock back.

        Raises:
            RuntimeError: If this thread does not hold it, and not one alone does.
        """
        self._leave((get_ident(), 0))

    async def __aenter__(self) -> None:
        """Take the lock; a cancelled task has not taken it.

        Raises:
            LockedError: If it was not free in time.
            AlreadyHeldError: If this task has it already.
            UnavailableError: If its file cannot be made or locked.
        """
        await self.hold_async()

    async def hold_async(self) -> Grant:
        """Take the lock, as `async with` does, and return what `__aexit__` will release."""
        who = (get_ident(), anyio.get_current_task().id)
        self._refuse_nested(who)
        waiter = TaskWaiter()
        attempt = Attempt(self._folder, self.name, shared=self._shared, who=who, waiter=waiter)
        deadline = _Deadline(self._timeout)
        try:
            while not attempt.is_next():
                await waiter.wait(deadline.left())
            while not isinstance(answer := await _in_thread(attempt.advance), Grant):
                await waiter.wait(deadline.next_look(answer))
            self._held[who] = attempt.take()
            return answer
        except _LateError:
            raise self._too_late() from None
        finally:
            attempt.settle()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the lock back, without waiting for anything.

        Raises:
            RuntimeError: If this task does not hold it, and not one alone does.
        """
        self._leave((get_ident(), anyio.get_current_task().id))

    def _leave(self, who: tuple[int, int]) -> None:
        """Release what `who` holds; if they do not, what is held alone.

        A generator may be begun by one task and closed by another.
        """
        if who not in self._held and len(self._held) == 1:
            (who,) = self._held
        grant = self._held.pop(who, None)
        if grant is None:
            msg = f"lock {self._title!r} is not held here: nothing can be given back"
            raise RuntimeError(msg)
        grant.release()

    def _refuse_nested(self, who: tuple[int, int]) -> None:
        thread, task = who
        for grant in self._folder.grants(self.name):
            is_same = grant.who == who
            # On the thread of an event loop this blocks the very task that would give it back.
            blocks_holder = not task and grant.who[0] == thread
            if is_same or (blocks_holder and not (self._shared and grant.shared)):
                msg = f"lock {self._title!r} is held here already: this would wait for itself"
                raise AlreadyHeldError(msg)

    def _too_late(self) -> LockedError:
        others = ", ".join(
            f"process {each.pid} on {each.host} since {each.since:%Y-%m-%d %H:%M:%S} UTC"
            for each in self._folder.holders(self.name)
        )
        text = f"is held by {others}" if others else "was held by others"
        return LockedError(f"lock {self._title!r} {text}; gave up after {self._timeout:g} s")


class _LateError(Exception):
    """The time is over."""


class _Deadline:
    """How long somebody still waits."""

    def __init__(self, timeout: float | None) -> None:
        self._end = None if timeout is None else time.monotonic() + timeout
        self._looks = LAST_LOOKS

    def left(self) -> float | None:
        """Return how long to wait until woken, None for ever.

        Raises:
            _LateError: If the time is over.
        """
        if self._end is None:
            return None
        left = self._end - time.monotonic()
        if left <= 0:
            raise _LateError
        return left

    def next_look(self, pause: float) -> float:
        """Return how long to wait before the next look.

        Raises:
            _LateError: If the time is over, and the last looks are done.
        """
        try:
            return min(pause, self.left() or pause)
        except _LateError:
            self._looks -= 1
            if self._looks <= 0:
                raise
            return pause


_limiters: RunVar[CapacityLimiter] = RunVar("pegboard_locking_limiter")


async def _in_thread(function: Callable[[], T]) -> T:
    limiter = _limiters.get(None)
    if limiter is None:
        limiter = CapacityLimiter(THREADS)
        _limiters.set(limiter)
    return await to_thread.run_sync(function, limiter=limiter)

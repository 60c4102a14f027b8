"""Locks by name.

Two rules that everything else rests on:

- While somebody holds a lock alone, nobody else holds it, in whatever thread, task or process of
  those that share the provider.
- A lock ends with its holder: with the block, with the task that is cancelled, with the process
  that is killed.
"""

from __future__ import annotations

from datetime import datetime
from types import TracebackType
from typing import Protocol

import msgspec

__all__ = ["Lock", "LockHolder", "LockProvider"]


class LockHolder(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who holds a lock.

    Attributes:
        pid: Process that holds it.
        host: Name of its machine.
        since: When it took the lock.
        shared: Whether others may hold it too.
    """

    pid: int
    host: str
    since: datetime
    shared: bool


class Lock(Protocol):
    """A lock, not held before it is entered; it may be entered again, and by several at once.

    `async with` waits without blocking the event loop, `with` blocks its thread. Whoever holds the
    lock and enters it again would wait for itself, and gets a `RuntimeError` where that can be
    noticed.
    """

    def __enter__(self) -> None:
        """Take the lock; waits in this thread.

        Raises:
            ConflictError: If it was not free in time.
            UnavailableError: If the provider does not answer.
        """

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the lock back."""

    async def __aenter__(self) -> None:
        """Take the lock; a cancelled task has not taken it.

        Raises:
            ConflictError: If it was not free in time.
            UnavailableError: If the provider does not answer.
        """

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the lock back."""


class LockProvider(Protocol):
    """Gives locks that hold across everything that shares the provider.

    Nobody starves: a waiting writer is not overtaken by readers that come later.
    `pegboard.testing.lock_suite.LockSuite` holds what is said here as tests.
    """

    def lock(self, name: str, *, shared: bool = False, timeout: float | None = None) -> Lock:
        """Return the lock of a name.

        Args:
            name: Any text that is not empty; equal names exclude one another.
            shared: Whether other shared holders may hold it too.
            timeout: Seconds to wait, 0 to take it now or not at all, None to wait for ever.

        Raises:
            InputError: If the name is empty or the timeout negative.
        """
        ...

    def holders(self, name: str) -> list[LockHolder]:
        """Return who holds a lock at the moment, in any process; blocks, and waits for nobody.

        Raises:
            UnavailableError: If the provider does not answer.
        """
        ...

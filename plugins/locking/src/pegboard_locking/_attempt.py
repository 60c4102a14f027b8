"""How a lock is taken: one step after the other, none of which waits.

The caller waits between the steps, in its thread or in its task, and may give up at any of them.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING

from pegboard.contracts.lock import LockHolder
from pegboard_locking._lock_file import LockFile
from pegboard_locking._record import HOST
from pegboard_locking._waiter import Waiter

if TYPE_CHECKING:
    from pegboard_locking._folder import LockFolder

__all__ = ["Attempt", "Grant"]

SHARE = 0.05  # of the time waited so far passes until the next look
FIRST_PAUSE = 0.000_05  # seconds between two looks at a lock that another process has, at least
LAST_PAUSE = 0.005  # and at most


class Grant:
    """A lock that is held.

    Attributes:
        name: Name of the lock.
        since: When it was taken, in seconds since 1970.
        shared: Whether others may hold it too.
        who: The thread and the task that took it; task 0 for a thread.

    Args:
        folder: Where the lock is.
        file: The opening that holds it.
        name: Name of the lock.
        shared: Whether others may hold it too.
        who: The thread and the task that took it; task 0 for a thread.
    """

    __slots__ = ("_file", "_folder", "name", "shared", "since", "who")

    def __init__(
        self, folder: LockFolder, file: LockFile, name: str, *, shared: bool, who: tuple[int, int]
    ) -> None:
        self._folder = folder
        self._file: LockFile | None = file
        self.name = name
        self.since = file.since
        self.shared = shared
        self.who = who

    @property
    def holder(self) -> LockHolder:
        """This process, as others see it."""
        since = datetime.fromtimestamp(self.since, UTC)
        return LockHolder(pid=os.getpid(), host=HOST, since=since, shared=self.shared)

    def release(self) -> None:
        """Give the lock back, which never waits; calling it again does nothing."""
        file, self._file = self._file, None
        if file is None:
            return
        try:
            if file.is_open:  # closed in a child that was forked: the parent holds it, not we
                file.release()
                self._folder.give_back(file)
        finally:
            self._folder.leave(self)


class Attempt:
    """Tries to take a lock.

    Args:
        folder: Where the lock is.
        name: Name of the lock.
        shared: Whether others may hold it too.
        who: The thread and the task that ask.
        waiter: Wakes it.
    """

    def __init__(
        self,
        folder: LockFolder,
        name: str,
        *,
        shared: bool,
        who: tuple[int, int],
        waiter: Waiter,
    ) -> None:
        self._folder = folder
        self._name = name
        self._shared = shared
        self._who = who
        self._waiter = waiter
        self._steps = self._run()
        self._mutex = Lock()
        self._is_over = False
        self._grant: Grant | None = None

    def is_next(self) -> bool:
        """Whether nobody of this process comes first; the waiter is woken when that changes."""
        return self._folder.is_next(self._name, self._waiter)

    def advance(self) -> float | Grant:
        """Do a step, once it is this one's turn.

        Returns:
            The lock, or the seconds after which to look again.

        Raises:
            UnavailableError: If the file of the lock cannot be made or locked.
        """
        with self._mutex:
            if self._is_over:
                return 0.0
            with self._folder.translated("used"):
                answer = next(self._steps)
            if isinstance(answer, Grant):
                self._grant = answer
            return answer

    def take(self) -> Grant:
        """Take what was granted: from now on the caller gives it back.

        Raises:
            RuntimeError: If nothing was granted.
        """
        grant, self._grant = self._grant, None
        if grant is None:
            msg = "no lock was granted"
            raise RuntimeError(msg)
        return grant

    def settle(self) -> None:
        """End the attempt; what was granted and not taken, also in another thread, goes back."""
        with self._mutex:
            self._is_over = True
            self._steps.close()
            self._folder.leave_queue(self._name, self._waiter)
            if self._grant is not None:
                self._grant.release()

    def _run(self) -> Generator[float | Grant, None, None]:
        while True:
            file = self._folder.borrow(self._name)
            grant = None
            try:
                grant = yield from self._through_gate(file)
            finally:
                if grant is None:
                    self._folder.discard(file)
            if grant is not None:
                self._folder.leave_queue(self._name, self._waiter)
                yield grant

    def _through_gate(self, file: LockFile) -> Generator[float, None, Grant | None]:
        """Take a file's gate, then its lock; None if it is not the file of that name any more."""
        since = time.monotonic()
        while not file.try_gate():
            yield _pause(since)
        try:
            since = time.monotonic()
            while not file.try_main(shared=self._shared):
                yield _pause(since)
            if not file.is_current():
                return None
            file.tell(self._name, shared=self._shared)
        finally:
            file.leave_gate()
        grant = Grant(self._folder, file, self._name, shared=self._shared, who=self._who)
        self._folder.enter(grant)
        return grant


def _pause(since: float) -> float:
    """Return how long to wait for the next look: short at first, and seldom after a long time."""
    return min(max(SHARE * (time.monotonic() - since), FIRST_PAUSE), LAST_PAUSE)

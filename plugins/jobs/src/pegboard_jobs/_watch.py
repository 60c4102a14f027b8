"""Tells tasks that something has happened in a store, whichever process did it.

One thread looks at the number of the last event: at once after a write of this process, every few
milliseconds while somebody waits, never otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Condition, Thread

import anyio
from anyio.lowlevel import current_token

from pegboard.errors import PegboardError
from pegboard_jobs._post import poster

__all__ = ["Watch"]

PERIOD = 0.01  # seconds between two looks while somebody waits
AFTER_FAILURE = 0.2  # seconds until the next look at a store that does not answer


class Watch:
    """Waits for events of one store.

    Args:
        last: Returns the number of the last event; blocks.
    """

    def __init__(self, last: Callable[[], int]) -> None:
        self._last = last
        self._lock = Condition()
        self._waiting: list[_Waiter] = []
        self._is_poked = False
        self._is_closed = False
        self._thread: Thread | None = None

    def poke(self) -> None:
        """Look now: this process has written."""
        if self._waiting:
            with self._lock:
                self._is_poked = True
                self._lock.notify()

    def wake(self) -> None:
        """Let all who wait look for themselves."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.wake()

    async def wait(self, after: int, *, timeout: float | None = None) -> bool:
        """Wait for an event with a number above `after`; False if none comes, or not in time."""
        waiter = _Waiter(after)
        with self._lock:
            if self._is_closed:
                return False
            self._waiting.append(waiter)
            self._is_poked = True
            self._start()
            self._lock.notify()
        try:
            with anyio.move_on_after(timeout):
                await waiter.event.wait()
                return not self._is_closed
            return False
        finally:
            with self._lock:
                if waiter in self._waiting:
                    self._waiting.remove(waiter)

    def close(self) -> None:
        """Wake everybody, and end the thread."""
        with self._lock:
            self._is_closed = True
            waiting, self._waiting = self._waiting, []
            thread, self._thread = self._thread, None
            self._lock.notify()
        for each in waiting:
            each.wake()
        if thread is not None:
            thread.join()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = Thread(target=self._run, name="jobs watch", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        pause = PERIOD
        while self._ready(pause):
            try:
                last = self._last()
            except PegboardError:  # whoever reads the store is told about it
                pause = AFTER_FAILURE
                continue
            pause = PERIOD
            self._wake(last)

    def _ready(self, pause: float) -> bool:
        """Wait until it is time to look again; False if this thread has to end."""
        with self._lock:
            if not self._waiting:
                self._lock.wait_for(lambda: self._waiting or self._is_closed)
            elif not self._is_poked:
                self._lock.wait_for(lambda: self._is_poked or self._is_closed, pause)
            self._is_poked = False
            return not self._is_closed

    def _wake(self, last: int) -> None:
        with self._lock:
            ready = [each for each in self._waiting if each.after < last]
            self._waiting = [each for each in self._waiting if each.after >= last]
        for each in ready:
            each.wake()


class _Waiter:
    """A task that waits, on whichever loop it runs."""

    def __init__(self, after: int) -> None:
        self.after = after
        self.event = anyio.Event()
        self._post = poster(current_token())

    def wake(self) -> None:
        """Let the task go on."""
        self._post(self.event.set)

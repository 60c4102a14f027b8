"""When to ask a service again that did not answer.

Rules: after a few failures in a row nobody asks for a pause; then one caller may try. Its success
lets everyone through, its failure doubles the pause. Callers that were under way together fail
together, and count as one. A caller that never reports back does not keep others from trying after
another pause.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from threading import Lock

__all__ = ["Breaker"]

FAILURES = 2  # in a row, before callers are held back


class Breaker:
    """Counts failures and holds callers back.

    Args:
        pause: Seconds of the first pause.
        longest: Seconds of the longest one.
        clock: Tells the time in seconds.
    """

    def __init__(
        self, pause: float, longest: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._first = pause
        self._longest = longest
        self._clock = clock
        self._lock = Lock()
        self._failures = 0
        self._pause = pause
        self._until = 0.0
        self._is_tried = False

    @property
    def is_open(self) -> bool:
        """Whether the service is taken to be away."""
        return self._failures >= FAILURES

    @property
    def wait(self) -> float:
        """Seconds until somebody may try again; 0 if now."""
        return max(0.0, self._until - self._clock()) if self.is_open else 0.0

    def admits(self) -> bool:
        """Whether to ask the service now; of those who could try it again, one is let through."""
        if not self.is_open:
            return True
        with self._lock:
            if self._clock() < self._until:
                return False
            self._until = self._clock() + self._pause
            self._is_tried = True
            return True

    def succeeded(self) -> None:
        """Note that the service has answered."""
        with self._lock:
            self._failures = 0
            self._pause = self._first
            self._until = 0.0
            self._is_tried = False

    def failed(self) -> None:
        """Note that it did not."""
        with self._lock:
            self._failures += 1
            if not self.is_open:
                return
            if not self._is_tried and self._clock() < self._until:
                return  # it was under way when the pause began
            self._is_tried = False
            jitter = random.uniform(0.8, 1.0)  # noqa: S311 - so that processes do not come together
            self._until = self._clock() + self._pause * jitter
            self._pause = min(self._pause * 2, self._longest)

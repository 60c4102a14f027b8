"""How long one call goes on trying before it gives up within its time limit."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from pegboard.errors import UnavailableError

__all__ = ["REQUEST_SHARE", "CrowdedError", "Patience"]

REQUEST_SHARE = 0.45
"""How much of the time limit one request may take, so that two fit into it."""

PAUSE = 0.01  # seconds at most before another attempt, so that two writers do not meet again


class CrowdedError(UnavailableError):
    """The service answers, and others are always faster."""


class Patience:
    """The attempts of one call.

    Args:
        timeout: Seconds that the call may take.
        clock: Tells the time in seconds.
    """

    def __init__(self, timeout: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last_start = clock() + timeout * (1 - REQUEST_SHARE)
        self._has_failed = False

    @property
    def is_over(self) -> bool:
        """Whether there is no time left for another request."""
        return self._clock() > self._last_start

    def admit(self, path: str) -> None:
        """Let a request begin.

        Raises:
            UnavailableError: If there is no time left for one.
        """
        if not self.is_over:
            return
        if self._has_failed:
            raise UnavailableError(f"{path} was not reached in time: try again", retry_after=1.0)
        raise CrowdedError(f"{path} is written by too many at once: try again", retry_after=1.0)

    def excuse(self, error: UnavailableError) -> None:
        """Put up with the first failure: an idle connection that was closed, a lost answer.

        Raises:
            UnavailableError: At the second one.
        """
        if self._has_failed:
            raise error
        self._has_failed = True

    def pause(self) -> None:
        """Wait a moment before the next attempt."""
        time.sleep(random.uniform(0, PAUSE))  # noqa: S311 - no secret

"""The end of a process that does not end by itself."""

from __future__ import annotations

import logging
import os
import threading

__all__ = ["Deadline"]

JOIN_GRACE = 0.2
"""Seconds that threads get to notice that their event loop has gone."""

_logger = logging.getLogger("pegboard.serve")


class Deadline:
    """Ends the process even if a thread or an exit function hangs; the log says which.

    Args:
        seconds: Time until then.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._timer.start()

    def withdraw(self) -> None:
        """Take it back, unless a thread is left for which the process would wait."""
        own = {threading.main_thread(), threading.current_thread(), self._timer}
        others = [each for each in threading.enumerate() if not each.daemon and each not in own]
        for each in others:
            each.join(JOIN_GRACE)
        if not any(each.is_alive() for each in others):
            self._timer.cancel()

    def _end(self) -> None:
        names = {each.name for each in threading.enumerate()} - {self._timer.name}
        text = "not stopped within %g s and cut off; threads: %s"
        _logger.critical(text, self._seconds, sorted(names))
        logging.shutdown()
        os._exit(1)

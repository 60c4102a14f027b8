"""What could not be recorded when it happened, and is recorded as soon as the store is back."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from threading import Condition, Thread
from typing import Any

from pegboard.errors import PegboardError, UnavailableError
from pegboard_database import Changes
from pegboard_jobs._store import RecordStore

__all__ = ["Pending"]

LIMIT = 100_000  # records that wait, in order; the oldest are lost beyond it
FIRST_PAUSE = 0.05  # seconds before a record is tried again
LONGEST_PAUSE = 5.0

_logger = logging.getLogger("pegboard.jobs")

Work = Callable[[Changes], Any]


class Pending:
    """Records that wait for a store, written in the order in which they were made.

    Args:
        store: The store.
    """

    def __init__(self, store: RecordStore) -> None:
        self._store = store
        self._waiting: deque[Work] = deque(maxlen=LIMIT)
        self._lock = Condition()
        self._is_closed = False
        self._is_stuck = False
        self._thread: Thread | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, work: Work) -> None:
        """Record this later."""
        with self._lock:
            if len(self._waiting) == LIMIT:
                _logger.error("the store of jobs is away for too long: a record is lost")
            self._waiting.append(work)
            if self._thread is None:
                self._thread = Thread(target=self._run, name="jobs pending", daemon=True)
                self._thread.start()
            self._lock.notify_all()

    def drain(self, timeout: float) -> None:
        """Wait until all is written, but not for a store that is away; blocks."""
        with self._lock:
            self._lock.wait_for(lambda: not self._waiting or self._is_stuck, timeout)

    def close(self) -> None:
        """Try once more, and end; what could not be written is reported."""
        with self._lock:
            self._is_closed = True
            self._lock.notify_all()
        if self._thread is not None:
            self._thread.join()
        if self._waiting:
            _logger.error("%d records of jobs are lost: the store is away", len(self._waiting))

    def _run(self) -> None:
        pause = FIRST_PAUSE
        while self._ready():
            is_last_try = self._is_closed
            is_written = self._write_one()
            with self._lock:
                self._is_stuck = not is_written
                self._lock.notify_all()
            if is_written:
                pause = FIRST_PAUSE
                continue
            if is_last_try:
                return
            with self._lock:
                self._lock.wait_for(lambda: self._is_closed, pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _ready(self) -> bool:
        """Wait for a record; False if there will be none."""
        with self._lock:
            self._lock.wait_for(lambda: self._waiting or self._is_closed)
            return bool(self._waiting)

    def _write_one(self) -> bool:
        """Write the oldest record; False if the store is still away."""
        try:
            self._store.write_blocking(self._waiting[0])
        except UnavailableError:
            return False
        except PegboardError as error:  # refused: the job was taken over, or has ended
            _logger.warning("a record of a job was refused: %s", error)
        except Exception:  # one that cannot be written holds up no other
            _logger.exception("a record of a job is lost")
        self._waiting.popleft()
        return True

"""Progress that was said too soon after the last record: only the newest of a job is written.

A loop may report each of its million rounds: at most ten of them a second become records, and the
last one always does, a tenth of a second later or with the end of the job.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from threading import Condition, Thread
from typing import TYPE_CHECKING
from uuid import UUID

from pegboard.contracts.job import JobProgress
from pegboard.errors import PegboardError, UnavailableError

if TYPE_CHECKING:
    from pegboard_jobs._tracked import Tracked

__all__ = ["PROGRESS_PERIOD", "LaterProgress"]

PROGRESS_PERIOD = 0.1  # seconds between two records of a job's progress

_logger = logging.getLogger("pegboard.jobs")


class LaterProgress:
    """Keeps the newest progress of jobs, and writes it in a thread of its own.

    Args:
        write: Records the progress of a job with its fence, and blocks; without it, what is kept
            waits for whoever takes it.
    """

    def __init__(self, write: Callable[[UUID, int, JobProgress], None] | None = None) -> None:
        self._write = write
        self._newest: dict[UUID, tuple[int, JobProgress]] = {}
        self._lock = Condition()
        self._is_closed = False
        self._thread: Thread | None = None

    def keep(self, tracked: Tracked, progress: JobProgress) -> None:
        """Write this soon, unless something newer is said meanwhile."""
        is_first = not self._newest and self._write is not None
        self._newest[tracked.uuid] = (tracked.job.fence, progress)
        if is_first:
            with self._lock:
                if self._thread is None and not self._is_closed:
                    self._thread = Thread(target=self._run, name="jobs progress", daemon=True)
                    self._thread.start()
                self._lock.notify()

    def take(self, job: UUID) -> JobProgress | None:
        """Return what was not written yet of a job, which is not written here any more."""
        found = self._newest.pop(job, None)
        return None if found is None else found[1]

    def close(self) -> None:
        """End the thread; what is left is written with the ends of the jobs."""
        with self._lock:
            self._is_closed = True
            self._lock.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        write = self._write
        while write is not None and self._ready():
            for job in list(self._newest):
                found = self._newest.pop(job, None)
                if found is None:
                    continue
                try:
                    write(job, *found)
                except UnavailableError:
                    self._newest.setdefault(job, found)
                except PegboardError as error:  # the job's own code is told when it ends
                    _logger.debug("progress of job %s is not recorded: %s", job, error)

    def _ready(self) -> bool:
        """Wait for something, and then for the rest of the period; False at the end."""
        with self._lock:
            self._lock.wait_for(lambda: self._newest or self._is_closed)
            self._lock.wait_for(lambda: self._is_closed, PROGRESS_PERIOD)
            return not self._is_closed

"""Which jobs of this process can be asked to stop, and which were asked before they could."""

from __future__ import annotations

from collections.abc import Callable, Collection
from threading import Lock
from uuid import UUID

__all__ = ["Cancellations"]


class Cancellations:
    """Ways to stop jobs, from any thread. Each is called once at most."""

    def __init__(self) -> None:
        self._ways: dict[UUID, Callable[[], None]] = {}
        self._early: frozenset[UUID] = frozenset()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._ways)

    def add(self, job: UUID, way: Callable[[], None]) -> None:
        """Let a job be stopped; one that was asked meanwhile is stopped now."""
        with self._lock:
            is_late = job in self._early
            if not is_late:
                self._ways[job] = way
        if is_late:
            way()

    def remove(self, job: UUID) -> None:
        """A job has ended."""
        with self._lock:
            self._ways.pop(job, None)

    def ask(self, jobs: Collection[UUID]) -> None:
        """Stop these: all that are asked to stop at the moment, those of earlier times included."""
        with self._lock:
            ways = [self._ways.pop(job) for job in jobs if job in self._ways]
            self._early = frozenset(jobs)
        for way in ways:
            way()

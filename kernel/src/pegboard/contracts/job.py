"""A job store: where the state of tracked jobs is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Protocol

import msgspec

__all__ = ["JobRecord", "JobStore"]


class JobRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One job as a store keeps it.

    Attributes:
        uuid: Identity of the job.
        number: Place in the tree of the project: `1`, `1.1`, `1.2.3`.
        task_name: What runs.
        title: What people read.
        status: Number of the status (0 unknown to 10 unsatisfactory).
        parent: Identity of the job that this one is nested in.
        created: When it was made.
        finished: When it reached a terminal status.
    """

    uuid: str
    number: str
    task_name: str
    title: str
    status: int
    parent: str | None = None
    created: datetime
    finished: datetime | None = None


class JobStore(Protocol):
    """Keeps the jobs of one project."""

    async def create(
        self, task_name: str, *, title: str | None = None, parent: str | None = None
    ) -> JobRecord:
        """Add a job, numbered in the same transaction.

        Raises:
            NotFoundError: If `parent` is not a job of this project.
        """
        ...

    async def set_status(self, uuid: str, status: int) -> JobRecord:
        """Change the status; a terminal one gets a finish time.

        Raises:
            NotFoundError: If there is no such job.
            ConflictError: If the job has a terminal status already.
        """
        ...

    def follow(self, after: int = 0) -> AsyncIterator[tuple[int, dict[str, Any]]]:
        """Yield `(sequence number, event)` from the event after `after` on, then live ones."""
        ...

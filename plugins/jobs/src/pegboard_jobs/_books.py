"""Where a tracked block is recorded: a ledger of ours, or the store of another plugin."""

from __future__ import annotations

from typing import Any, Protocol
from uuid import UUID

from pegboard.contracts.job import JobDraft
from pegboard_jobs._cancellations import Cancellations
from pegboard_jobs._end import End
from pegboard_jobs._later_progress import LaterProgress
from pegboard_jobs._record import Job

__all__ = ["Books"]


class Books(Protocol):
    """What blocks need. A store that is away fails no block: it is told later."""

    name: str
    cancels: Cancellations
    later_progress: LaterProgress

    async def begin(self, draft: JobDraft, look: Any = None) -> Job:
        """Make a job that runs now.

        Raises:
            PegboardError: If the draft is wrong.
        """
        ...

    def begin_blocking(self, draft: JobDraft) -> Job:
        """Do what `begin` does, from a thread that may block."""
        ...

    async def note(self, work: Any, job: UUID, /, *args: Any, **kwargs: Any) -> None:
        """Record something on the way.

        Raises:
            ConflictError: If the job was taken over.
        """
        ...

    async def write(self, work: Any, job: UUID, /, *args: Any, **kwargs: Any) -> Any:
        """Record something and return the record.

        Raises:
            ConflictError: If the job was taken over.
            UnavailableError: If the store is away.
        """
        ...

    async def end(self, end: End) -> Job | None:
        """Record an end; None if that is done later.

        Raises:
            ConflictError: If the job was taken over, or its end is known already.
        """
        ...

    def end_blocking(self, end: End) -> Job | None:
        """Do what `end` does, from a thread that may block."""
        ...

    def end_later(self, end: End) -> None:
        """Record an end when there is time for it."""
        ...

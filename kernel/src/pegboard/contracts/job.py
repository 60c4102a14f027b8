"""Jobs: a store that tracks them, and an engine that runs them. Two ports, never mixed.

A `JobStore` keeps what is known about jobs, whatever runs them. A `JobEngine` makes sure that what
was submitted runs, and records that in a store.

Two rules hold for every store:

- A status changes only along `JobStatus.follows`; a terminal one always has a finish time.
- Each time that somebody takes a job over, its *fence* grows by one. A change that names an older
  fence is refused, so that a process which was stopped and comes back late changes nothing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from enum import IntEnum
from typing import Any, Protocol
from uuid import UUID

import msgspec

__all__ = [
    "JobDraft",
    "JobEngine",
    "JobEvent",
    "JobFailure",
    "JobOrder",
    "JobProgress",
    "JobQuery",
    "JobRecord",
    "JobStatus",
    "JobStore",
    "RetryPolicy",
]


class JobStatus(IntEnum):
    """What became of a job so far; the numbers are those of the documented system."""

    UNKNOWN = 0
    PENDING = 1
    QUEUED = 2
    RUNNING = 3
    INTERRUPTED = 4
    FAILED = 5
    FINISHED = 6
    RUNNING_REMOTELY = 7
    FILE_HOLDER = 8
    TO_DELETE = 9
    UNSATISFACTORY = 10

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended."""
        return self in _TERMINAL

    @property
    def is_active(self) -> bool:
        """Whether somebody works on the job."""
        return self in _ACTIVE

    @property
    def follows(self) -> frozenset[JobStatus]:
        """Which statuses may come after this one."""
        return _FOLLOWS[self]


_S = JobStatus
_ENDS = frozenset({_S.INTERRUPTED, _S.FAILED, _S.FINISHED, _S.UNSATISFACTORY})
_TERMINAL = _ENDS | {_S.FILE_HOLDER, _S.TO_DELETE}
_ACTIVE = frozenset({_S.RUNNING, _S.RUNNING_REMOTELY})
_OPEN = frozenset({_S.PENDING, _S.QUEUED})
_AGAIN = _OPEN | _ACTIVE | {_S.TO_DELETE}
_FOLLOWS: dict[JobStatus, frozenset[JobStatus]] = {
    _S.UNKNOWN: frozenset(_S) - {_S.UNKNOWN},
    _S.PENDING: (_ENDS | _ACTIVE | {_S.QUEUED, _S.FILE_HOLDER, _S.TO_DELETE}),
    _S.QUEUED: _ENDS | _ACTIVE | {_S.PENDING, _S.TO_DELETE},
    _S.RUNNING: _ENDS | {_S.QUEUED, _S.RUNNING_REMOTELY, _S.TO_DELETE},
    _S.RUNNING_REMOTELY: _ENDS | {_S.QUEUED, _S.RUNNING, _S.TO_DELETE},
    _S.INTERRUPTED: _AGAIN,
    _S.FAILED: _AGAIN,
    _S.UNSATISFACTORY: _AGAIN,
    _S.FINISHED: frozenset({_S.TO_DELETE}),
    _S.FILE_HOLDER: frozenset({_S.TO_DELETE}),
    _S.TO_DELETE: frozenset(),
}


class JobFailure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a job did not succeed.

    Attributes:
        reason: What kind of end it was: `exception`, `cancelled`, `deadline`, `exit`, `killed`,
            `lost`, `status` or `unfinished`.
        type: Name of the exception's class, or of the signal that ended its process.
        message: Its text.
        traceback: Where it came from.
    """

    reason: str
    type: str = ""
    message: str = ""
    traceback: str = ""


class JobProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a job has come.

    Attributes:
        fraction: From 0 to 1, None where nobody can tell.
        message: What it does now.
        done: How many parts are done.
        total: How many parts there are.
    """

    fraction: float | None = None
    message: str = ""
    done: int | None = None
    total: int | None = None


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """When a durable job that failed is tried again.

    Attributes:
        attempts: How often it is tried in all.
        delay: Seconds before the second attempt.
        factor: By what the delay grows with each attempt.
        max_delay: Seconds that a delay never exceeds.
        jitter: Part of the delay that is left to chance, from 0 to 1.
    """

    attempts: int = 3
    delay: float = 1.0
    factor: float = 2.0
    max_delay: float = 3600.0
    jitter: float = 0.1


class JobOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine is asked to run.

    Attributes:
        target: Address of an export: `Mod.fn`.
        arguments: Its arguments by name, as JSON would hold them.
        queue: Name of the queue; a worker may serve some queues only.
        priority: The higher, the sooner.
        run_at: When to run it, None for at once.
        timeout: Seconds that one attempt may take, None for any.
        deadline: When it is given up, tried or not; None for never.
        retry: When to try again.
        key: Idempotency key: a second order with the same key is the first job.
        limit: How many jobs of this queue may run at once everywhere, None for any number.
        session: Who asked for it; it runs on their behalf.
    """

    target: str
    arguments: dict[str, Any] = {}
    queue: str = "default"
    priority: int = 0
    run_at: datetime | None = None
    timeout: float | None = None
    deadline: datetime | None = None
    retry: RetryPolicy = RetryPolicy()
    key: str | None = None
    limit: int | None = None
    session: dict[str, Any] | None = None


class JobDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A job that is to be made.

    Attributes:
        project: The project; one that is not known is made.
        task_name: What runs.
        title: What people read, the task's name by default.
        parent: The job that this one is nested in.
        number: Its number, None for the next one.
        status: Its first status: PENDING, QUEUED, RUNNING, FILE_HOLDER or UNKNOWN.
        kind: `tracked` for code that runs anyway, `task` for what runs after a response,
            `durable` for what an engine runs.
        runner: Who works on it, if somebody does already.
        uuid: Its identity, None for a new one; a second draft with the same one is the first job.
        owner: User id of who asked for it.
        tags: Words to find it by.
        order: What the engine is to run, for a durable one.
    """

    project: UUID
    task_name: str
    title: str | None = None
    parent: UUID | None = None
    number: str | None = None
    status: JobStatus = JobStatus.PENDING
    kind: str = "tracked"
    runner: UUID | None = None
    uuid: UUID | None = None
    owner: str = ""
    tags: Sequence[str] = ()
    order: JobOrder | None = None


class JobRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One job as a store keeps it.

    Attributes:
        uuid: Identity of the job.
        project: The project that it belongs to.
        number: Place in the tree of the project: `1`, `1.1`, `1.2.3`.
        parent: The job that this one is nested in.
        task_name: What runs.
        title: What people read.
        status: What became of it so far.
        kind: `tracked`, `task` or `durable`, see `JobDraft`.
        ordinal: Grows with each job that a store makes.
        creation_time: When it was made.
        start_time: When work on it began, the last time.
        finish_time: When it reached a terminal status.
        runner: Who works, or has worked, on it.
        process_id: Process that works, or has worked, on it.
        host: The machine of that process.
        fence: How often it was taken over.
        attempt: How often it was started.
        failure: Why it did not succeed.
        progress: How far it has come.
        cancelling: Whether it was asked to stop.
        evaluation: What people think of it: 0 unknown, 1 best, 2 good, 3 rejected.
        comments: What people say about it.
        owner: User id of who asked for it.
        order: What the engine is to run, for a durable one.
        run_at: When the next attempt is due.
        result: What a durable one answered.
    """

    uuid: UUID
    project: UUID
    number: str
    parent: UUID | None = None
    task_name: str
    title: str
    status: JobStatus
    kind: str = "tracked"
    ordinal: int = 0
    creation_time: datetime
    start_time: datetime | None = None
    finish_time: datetime | None = None
    runner: UUID | None = None
    process_id: int | None = None
    host: str = ""
    fence: int = 0
    attempt: int = 0
    failure: JobFailure | None = None
    progress: JobProgress | None = None
    cancelling: bool = False
    evaluation: int = 0
    comments: str = ""
    owner: str = ""
    order: JobOrder | None = None
    run_at: datetime | None = None
    result: Any = None


class JobEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a store's event log, written in the transaction of the change it tells.

    Attributes:
        seq: Its place in the log: readers see events in this order and miss none.
        time: When it happened.
        project: The project of the job.
        job: The job.
        kind: `created`, `status`, `progress`, `log`, `file`, `value` or `deleted`.
        data: What happened; depends on the kind.
    """

    seq: int
    time: datetime
    project: UUID
    job: UUID
    kind: str
    data: dict[str, Any]


class JobQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which jobs to list.

    Attributes:
        project: Those of this project.
        parent: Those nested directly in this job.
        root: This job and all that are nested in it, at any depth.
        top: Only those that are nested in none.
        statuses: Those with one of these statuses.
        kind: Those of this kind.
        task_name: Those of this task.
        tag: Those with this tag.
        owner: Those of this user.
        text: Those whose title or task name contains this, in any case.
        before: Those with a smaller ordinal: the next page.
        limit: How many at most.
    """

    project: UUID | None = None
    parent: UUID | None = None
    root: UUID | None = None
    top: bool = False
    statuses: Sequence[JobStatus] = ()
    kind: str | None = None
    task_name: str | None = None
    tag: str | None = None
    owner: str | None = None
    text: str | None = None
    before: int | None = None
    limit: int = 50


class JobStore(Protocol):
    """Keeps jobs and their events. Safe with many processes at once.

    Everything raises `UnavailableError` if the store does not answer in time.
    """

    async def create(self, draft: JobDraft) -> JobRecord:
        """Add a job, numbered in the same transaction without gaps.

        Raises:
            NotFoundError: If the parent is not a job of this project.
            ConflictError: If the number is taken.
        """
        ...

    async def get(self, uuid: UUID) -> JobRecord:
        """Return a job.

        Raises:
            NotFoundError: If there is no such job.
        """
        ...

    async def list(self, query: JobQuery) -> Sequence[JobRecord]:
        """Return jobs, the newest first."""
        ...

    async def set_status(
        self,
        uuid: UUID,
        status: JobStatus,
        *,
        fence: int | None = None,
        failure: JobFailure | None = None,
        finish_time: datetime | None = None,
    ) -> JobRecord:
        """Change the status. The status that a job has already changes nothing.

        Args:
            uuid: The job.
            status: The new status.
            fence: The fence that the caller believes in, None for whichever there is.
            failure: Why it did not succeed.
            finish_time: When it ended, now by default; kept only for a terminal status.

        Raises:
            NotFoundError: If there is no such job.
            ConflictError: If this status may not follow the present one, or the fence is old.
        """
        ...

    async def take(self, uuid: UUID, runner: UUID) -> JobRecord:
        """Take a job over: it runs, `runner` works on it, and its fence has grown.

        Raises:
            NotFoundError: If there is no such job.
            ConflictError: If the job may not run.
        """
        ...

    async def report(
        self,
        uuid: UUID,
        *,
        fence: int | None = None,
        progress: JobProgress | None = None,
        log: Sequence[str] = (),
    ) -> None:
        """Note progress and log lines of a running job.

        Raises:
            NotFoundError: If there is no such job.
            ConflictError: If the fence is old.
        """
        ...

    async def events(
        self,
        after: int = 0,
        *,
        job: UUID | None = None,
        project: UUID | None = None,
        limit: int = 500,
    ) -> Sequence[JobEvent]:
        """Return events with a number above `after`, oldest first.

        Args:
            after: Number of the last event that was seen.
            job: Only those of this job and what is nested in it.
            project: Only those of this project.
            limit: How many at most.
        """
        ...

    def follow(
        self, after: int = 0, *, job: UUID | None = None, project: UUID | None = None
    ) -> AsyncGenerator[JobEvent, None]:
        """Yield events from the one after `after` on, then live ones, without a gap.

        It ends with the store; who stops earlier closes it (`contextlib.aclosing`).
        """
        ...

    async def counts(self, project: UUID | None = None) -> dict[JobStatus, int]:
        """Return how many jobs have each status."""
        ...


class JobEngine(Protocol):
    """Runs exports durably: what it has accepted reaches a terminal status.

    Execution is at least once, a recorded end exactly once.
    """

    async def submit(self, draft: JobDraft) -> JobRecord:
        """Accept a draft with an order; it will run, even if this process dies now.

        Raises:
            InputError: If the order cannot be kept.
            UnavailableError: If it could not be kept in time; it is not accepted.
        """
        ...

    async def cancel(self, uuid: UUID) -> JobRecord:
        """Ask a job, and what is nested in it, to stop; one that has ended stays as it is.

        Raises:
            NotFoundError: If there is no such job.
        """
        ...

    async def retry(self, uuid: UUID) -> JobRecord:
        """Queue a job again that has ended without success, with attempts as if it were new.

        Raises:
            NotFoundError: If there is no such job.
            ConflictError: If it has not ended, has succeeded, or is not durable.
        """
        ...

    def running(self) -> AbstractAsyncContextManager[None]:
        """Work on what was submitted while the block runs; what runs at its end is awaited."""
        ...

    def statistics(self) -> dict[str, int]:
        """Return how much was started, finished, failed, retried, and runs now."""
        ...

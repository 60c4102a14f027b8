"""A store with what a process needs to work on its jobs: a runner that lives, and a watchman."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from threading import Lock
from typing import Any
from uuid import UUID

import msgspec
from anyio import CancelScope, get_cancelled_exc_class, to_thread

from pegboard.contracts.job import JobDraft, JobFailure, JobProgress
from pegboard.errors import UnavailableError
from pegboard_database import Changes, Rows
from pegboard_jobs import _job_table, _queue_table, _runner_table
from pegboard_jobs._cancellations import Cancellations
from pegboard_jobs._identity import new_uuid
from pegboard_jobs._later_progress import LaterProgress
from pegboard_jobs._liveness import LEASE, Liveness
from pegboard_jobs._new_job import create
from pegboard_jobs._pending import Pending
from pegboard_jobs._record import Job, now, unnumbered
from pegboard_jobs._runner_table import Runner
from pegboard_jobs._store import RecordStore, this_process
from pegboard_jobs._sweep import Sweeper

__all__ = ["Ledger"]

DRAIN_TIMEOUT = 5.0  # seconds that an end waits for what was to be recorded before it

_logger = logging.getLogger("pegboard.jobs")

Look = Callable[[Rows], None]


class Ledger:
    """One store, as this process uses it.

    Attributes:
        store: The store.
        name: Letters that tell this store from others, without its password.
        pending: What could not be recorded yet.
        later_progress: What jobs of this process said about how far they are, not written yet.
        cancels: How jobs of this process are asked to stop.

    Args:
        store: The store; closed with the ledger.
        liveness: Tells who lives; closed with the ledger.
        address: Path or URL of the store.
        period: Seconds between two looks for dead processes.
    """

    def __init__(
        self, store: RecordStore, liveness: Liveness, *, address: str, period: float
    ) -> None:
        self.store = store
        self.name = hashlib.sha256(address.encode()).hexdigest()[:16]
        self.pending = Pending(store)
        self.cancels = Cancellations()
        self.later_progress = LaterProgress(self._write_progress)
        self._liveness = liveness
        self._runner: Runner | None = None
        self._joining = Lock()
        self._listeners: list[Callable[[list[Job]], None]] = []
        self.sweeper = Sweeper(
            store, liveness, period=period, runner=lambda: self._runner, stepped_in=self._stepped_in
        )
        self.sweeper.start()

    @property
    def runner(self) -> Runner:
        """The runner of this process; the first time this blocks, and may fail.

        Raises:
            UnavailableError: If the store is away.
        """
        with self._joining:
            if self._runner is None:
                self._runner = self._join()
            return self._runner

    async def join(self) -> Runner:
        """Return the runner of this process.

        Raises:
            UnavailableError: If the store is away.
        """
        known = self._runner
        return await to_thread.run_sync(lambda: self.runner) if known is None else known

    def listen(self, listener: Callable[[list[Job]], None]) -> Callable[[], None]:
        """Call somebody, in a thread, when jobs were taken from a dead process; return the undo."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    # -- recording, whatever the store does ---------------------------------------------------

    async def begin(self, draft: JobDraft, look: Look | None = None) -> Job:
        """Make a job that runs now; if the store is away it is made later, and has no number yet.

        Args:
            draft: The job.
            look: Reads something else in the same transaction.

        Raises:
            PegboardError: If the draft is wrong.
        """
        is_new = draft.uuid is None
        draft = msgspec.structs.replace(draft, uuid=draft.uuid or new_uuid())
        try:
            draft = msgspec.structs.replace(draft, runner=(await self.join()).uuid)
            return await self.store.write(_begin, draft, is_new=is_new, look=look)
        except UnavailableError as error:
            return self._begun_later(draft, error)
        except get_cancelled_exc_class():
            await self.abandon(draft.uuid or new_uuid())
            raise

    async def take(self, uuid: UUID) -> Job:
        """Work on a job that is there already, from now on.

        Raises:
            NotFoundError: If there is no such job.
            ConflictError: If it may not run now.
            UnavailableError: If the store is away.
        """
        runner = await self.join()
        try:
            return await self.store.take(uuid, runner.uuid)
        except get_cancelled_exc_class():
            await self.abandon(uuid)
            raise

    def begin_blocking(self, draft: JobDraft) -> Job:
        """Do what `begin` does, from a thread that may block."""
        is_new = draft.uuid is None
        draft = msgspec.structs.replace(draft, uuid=draft.uuid or new_uuid())
        try:
            draft = msgspec.structs.replace(draft, runner=self.runner.uuid)
            return self.store.write_blocking(_begin, draft, is_new=is_new)
        except UnavailableError as error:
            return self._begun_later(draft, error)

    def _begun_later(self, draft: JobDraft, error: UnavailableError) -> Job:
        _logger.warning("job %r is recorded later: %s", draft.title or draft.task_name, error)
        self.record_later(create, draft, this_process())
        return msgspec.structs.replace(unnumbered(draft), fence=1, attempt=1)

    async def end(self, end: Callable[[Changes], Job]) -> Job | None:
        """Record how a job has ended; if the store is away, as soon as it is back: then None.

        Raises:
            ConflictError: If the job was taken over, or its end is known already.
        """
        if len(self.pending):
            self.record_later(end)
            await to_thread.run_sync(self.pending.drain, DRAIN_TIMEOUT)
            return None
        try:
            return await self.store.write(end)
        except UnavailableError:
            self.record_later(end)
            return None

    def end_blocking(self, end: Callable[[Changes], Job]) -> Job | None:
        """Do what `end` does, from a thread that may block."""
        if len(self.pending):
            self.record_later(end)
            self.pending.drain(DRAIN_TIMEOUT)
            return None
        try:
            return self.store.write_blocking(end)
        except UnavailableError:
            self.record_later(end)
            return None

    def end_later(self, end: Callable[[Changes], Job]) -> None:
        """Record how a job has ended, after all that waits already."""
        self.record_later(end)

    async def write(self, work: Any, job: UUID, /, *args: Any, **kwargs: Any) -> Any:
        """Record something about a job and return the record.

        Raises:
            ConflictError: If the job was taken over.
            UnavailableError: If the store is away.
        """
        return await self.store.write(work, job, *args, **kwargs)

    async def note(self, work: Any, job: UUID, /, *args: Any, **kwargs: Any) -> None:
        """Record something about a job; if the store is away, as soon as it is back.

        Raises:
            ConflictError: If the job was taken over.
        """
        if len(self.pending):
            self.record_later(work, job, *args, **kwargs)
            return
        try:
            await self.store.write(work, job, *args, **kwargs)
        except UnavailableError:
            self.record_later(work, job, *args, **kwargs)

    async def abandon(self, uuid: UUID) -> None:
        """End a job whose block is not entered after all, if it was made."""
        runner = self._runner
        if runner is None:
            return
        with CancelScope(shield=True):
            try:
                await self.store.write(_job_table.abandon, uuid, runner.uuid)
            except UnavailableError:
                self.record_later(_job_table.abandon, uuid, runner.uuid)

    def record_later(self, work: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Do a transaction's work as soon as the store is back."""
        self.pending.add(lambda changes: work(changes, *args, **kwargs))

    # -- what others ask of this process ------------------------------------------------------

    def stop_asked(self) -> None:
        """Tell the jobs of this process that were asked to stop; blocks."""
        runner = self._runner
        if runner is None:
            return
        self.cancels.ask(self.store.read_blocking(_queue_table.asked_to_stop, runner.uuid))

    def _write_progress(self, uuid: UUID, fence: int, progress: JobProgress) -> None:
        self.store.write_blocking(_job_table.report, uuid, fence=fence, progress=progress)

    def close(self) -> None:
        """Leave: what this process still works on counts as interrupted; blocks."""
        self.sweeper.close()
        self.later_progress.close()
        self.pending.close()
        runner, self._runner = self._runner, None
        if runner is not None:
            failure = JobFailure(reason="exit", message="its process stopped before it was done")
            try:
                self.store.write_blocking(
                    _runner_table.reclaim, runner.uuid, failure, is_orderly=True
                )
            except UnavailableError as error:
                _logger.warning("the store of jobs is away at the end: %s", error)
        self._liveness.close()
        self.store.close()

    def _join(self) -> Runner:
        process_id, host = this_process()
        runner = Runner(
            uuid=new_uuid(),
            host=host,
            process_id=process_id,
            name=f"{host}:{process_id}",
            epoch="",
            start_time=now(),
            lease=now() + LEASE,
        )
        self._liveness.hold(runner.uuid)
        try:
            runner = msgspec.structs.replace(runner, epoch=self._liveness.epoch())
            self.store.write_blocking(_runner_table.add, runner)
        except BaseException:
            self._liveness.release()
            raise
        return runner

    def _stepped_in(self, jobs: list[Job]) -> None:
        for job in jobs:
            _logger.warning("job %s: %s", job.number, job.failure.message if job.failure else "")
        for listener in list(self._listeners):
            listener(jobs)


def _begin(changes: Changes, draft: JobDraft, *, is_new: bool, look: Look | None = None) -> Job:
    job = create(changes, draft, this_process(), is_new=is_new)
    if look is not None:
        look(changes)
    return job

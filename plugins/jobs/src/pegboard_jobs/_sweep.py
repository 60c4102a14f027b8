"""Looks for processes that have died, and takes their jobs from them.

It runs in a thread of its own, so that no blocked event loop delays it: at once when the end of a
process is heard, and now and then for those that cannot be heard.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from threading import Event, Thread

import msgspec

from pegboard.contracts.job import JobFailure
from pegboard.errors import PegboardError
from pegboard_jobs import _runner_table
from pegboard_jobs._exit_status import described, signal_in
from pegboard_jobs._exit_watch import ExitWatch
from pegboard_jobs._liveness import LEASE, Liveness
from pegboard_jobs._record import Job, now
from pegboard_jobs._runner_table import Runner
from pegboard_jobs._store import RecordStore

__all__ = ["Sweeper"]

RENEWAL = LEASE / 3  # seconds between two renewals of our own lease
AFTER_FAILURE = 0.5  # seconds until the next look at a store that does not answer

_logger = logging.getLogger("pegboard.jobs")


class Sweeper:
    """Sweeps one store until it is closed.

    Args:
        store: The store.
        liveness: Tells who lives.
        period: Seconds between two looks.
        runner: Returns the runner of this process, if there is one.
        stepped_in: Called with the jobs that were taken from somebody, in the sweeper's thread.
    """

    def __init__(
        self,
        store: RecordStore,
        liveness: Liveness,
        *,
        period: float,
        runner: Callable[[], Runner | None],
        stepped_in: Callable[[list[Job]], None],
    ) -> None:
        self._store = store
        self._liveness = liveness
        self._period = period
        self._runner = runner
        self._stepped_in = stepped_in
        self._stop = Event()
        self._exits = ExitWatch()
        self._renewed = time.monotonic()
        self._epoch: str | None = None
        self._thread = Thread(target=self._run, name="jobs sweep", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End; blocks until a sweep that is under way is done."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._exits.wake()
        if self._thread.is_alive():
            self._thread.join()
        self._exits.close()

    def sweep(self) -> list[Job]:
        """Look once; return the jobs that were taken from somebody.

        Raises:
            PegboardError: If the store does not answer.
        """
        own = self._runner()
        if own is not None:
            self._stay_known(own)
        runners = self._store.read_blocking(_runner_table.every)
        others = [each for each in runners if own is None or each.uuid != own.uuid]
        here = socket.gethostname()
        # before their locks are looked at: who ends after that look is heard
        self._exits.look_at({each.process_id for each in others if each.host == here})
        taken: list[Job] = []
        for each in self._liveness.dead(others) if others else ():
            status = self._exits.status(each.process_id) if each.host == here else None
            why = _epitaph(each, status)
            taken += self._store.write_blocking(_runner_table.reclaim, each.uuid, why)
            self._liveness.forget(each)
        return taken

    def _stay_known(self, own: Runner) -> None:
        """Renew the lease in time, and the lock once the server that held it was restarted."""
        epoch = self._liveness.epoch()
        if self._epoch is None:
            self._epoch = own.epoch
        lease = now() + LEASE
        if epoch != self._epoch:
            self._liveness.hold(own.uuid)
            self._store.write_blocking(_runner_table.add, _moved(own, epoch, lease))
            self._epoch = epoch
        elif time.monotonic() - self._renewed >= RENEWAL:
            self._renewed = time.monotonic()
            if not self._store.write_blocking(_runner_table.renew, own.uuid, lease):
                _logger.error("this process was given up: what it works on was taken over")
                self._store.write_blocking(_runner_table.add, _moved(own, epoch, lease))

    def _run(self) -> None:
        pause = 0.0
        while self._goes_on(pause):
            try:
                taken = self.sweep()
            except PegboardError as error:
                _logger.warning("jobs cannot be watched now: %s", error)
                pause = AFTER_FAILURE
                continue
            except Exception:
                _logger.exception("looking for dead processes failed")
                pause = AFTER_FAILURE
                continue
            pause = self._period
            if taken:
                self._stepped_in(taken)

    def _goes_on(self, pause: float) -> bool:
        """Wait until it is time to look again; False if this thread has to end."""
        if pause and not self._stop.is_set():
            self._exits.wait(pause)
        return not self._stop.is_set()


def _moved(runner: Runner, epoch: str, lease: float) -> Runner:
    return msgspec.structs.replace(runner, epoch=epoch, lease=lease)


def _epitaph(runner: Runner, status: int | None) -> JobFailure:
    text = f"process {runner.process_id} on {runner.host} {described(status)}"
    return JobFailure(reason="killed", type=signal_in(status), message=text)

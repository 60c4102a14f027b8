"""Whether a process lives: by a lock that the operating system releases when it ends.

A heartbeat tells a slow process from a dead one only by guessing. A lock is free within a
millisecond of the end, however it came, and never while the process lives, even if it is stopped or
its event loop is blocked. A lease is the fall-back where nobody can see the lock: on another
machine, or after the server that held it was restarted.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Protocol
from uuid import UUID

from pegboard_jobs._os_lock import OsLock
from pegboard_jobs._record import now
from pegboard_jobs._runner_table import Runner

__all__ = ["LEASE", "FileLiveness", "Liveness"]

LEASE = 30.0  # seconds that a runner whose lock cannot be seen counts as alive


class Liveness(Protocol):
    """Holds the locks of this process, and looks at those of others. Everything blocks."""

    def hold(self, uuid: UUID) -> None:
        """Hold the lock of a runner of this process until it is released or the process ends."""
        ...

    def release(self, uuid: UUID) -> None:
        """Release a lock."""
        ...

    def epoch(self) -> str:
        """Return what differs once the locks that were held are no longer to be trusted.

        Raises:
            UnavailableError: If nobody can tell.
        """
        ...

    def dead(self, runners: list[Runner]) -> list[Runner]:
        """Return those that do not live any more.

        Raises:
            UnavailableError: If nobody can tell.
        """
        ...

    def forget(self, uuid: UUID) -> None:
        """Remove what is left of a dead runner."""
        ...

    def close(self) -> None:
        """Release everything."""
        ...


class FileLiveness:
    """Locks on files of one machine.

    Args:
        folder: Where they lie; made if it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._host = socket.gethostname()
        self._held: dict[UUID, OsLock] = {}

    def hold(self, uuid: UUID) -> None:
        """Hold the lock of a runner; see `Liveness.hold`."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._held[uuid] = OsLock.acquire(self._path(uuid))

    def release(self, uuid: UUID) -> None:
        """Release a lock and remove its file."""
        lock = self._held.pop(uuid, None)
        if lock is not None:
            self._path(uuid).unlink(missing_ok=True)
            lock.release()

    def epoch(self) -> str:
        """Return the machine: its locks can be seen here only."""
        return self._host

    def dead(self, runners: list[Runner]) -> list[Runner]:
        """Return those that do not live any more; see `Liveness.dead`."""
        return [runner for runner in runners if not self._lives(runner)]

    def forget(self, uuid: UUID) -> None:
        """Remove the file of a dead runner."""
        self._path(uuid).unlink(missing_ok=True)

    def close(self) -> None:
        """Release everything."""
        for uuid in list(self._held):
            self.release(uuid)

    def _lives(self, runner: Runner) -> bool:
        if runner.uuid in self._held:
            return True
        if runner.epoch != self._host:
            return runner.lease > now()
        return OsLock.is_held(self._path(runner.uuid))

    def _path(self, uuid: UUID) -> Path:
        return self._folder / f"{uuid}.lock"

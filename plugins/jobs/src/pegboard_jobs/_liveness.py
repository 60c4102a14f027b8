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

from pegboard_jobs._record import now
from pegboard_jobs._runner_table import Runner
from pegboard_locking import Presence, PresenceFolder

__all__ = ["LEASE", "FileLiveness", "Liveness"]

LEASE = 30.0  # seconds that a runner whose lock cannot be seen counts as alive


class Liveness(Protocol):
    """Holds the locks of this process, and looks at those of others. Everything blocks."""

    def hold(self, uuid: UUID) -> None:
        """Hold the lock of a runner of this process until it is released or the process ends."""
        ...

    def release(self) -> None:
        """Release the lock."""
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

    def forget(self, runner: Runner) -> None:
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
        self._folder = PresenceFolder(folder)
        self._host = socket.gethostname()
        self._presence: Presence | None = None

    def hold(self, uuid: UUID) -> None:
        """Show that this process lives; see `Liveness.hold`."""
        if self._presence is None or not self._presence.is_shown:
            self._presence = self._folder.enter()

    def release(self) -> None:
        """Be gone."""
        if self._presence is not None:
            self._presence.leave()
            self._presence = None

    def epoch(self) -> str:
        """Return the machine, where alone the lock can be seen, and the id of the lock."""
        return f"{self._host}/{self._presence.id if self._presence else ''}"

    def dead(self, runners: list[Runner]) -> list[Runner]:
        """Return those that do not live any more; see `Liveness.dead`."""
        return [runner for runner in runners if not self._lives(runner)]

    def forget(self, runner: Runner) -> None:
        """Remove the file of a dead runner."""
        host, _, id_ = runner.epoch.rpartition("/")
        if host == self._host:
            self._folder.forget(id_)

    def close(self) -> None:
        """Be gone."""
        self.release()

    def _lives(self, runner: Runner) -> bool:
        host, _, id_ = runner.epoch.rpartition("/")
        if host != self._host:
            return runner.lease > now()
        return self._folder.is_alive(id_)

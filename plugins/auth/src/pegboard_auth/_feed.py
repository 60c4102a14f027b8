"""Following what other workers change: nothing that is cached is older than a second.

Each worker reads the list of changes four times a second while it has anything cached, and trusts
its cache only for as long as the last reading is fresh: a worker that cannot read asks the database
for each request, and never lets somebody in whom another worker has thrown out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from time import monotonic

import anyio

from pegboard.errors import UnavailableError
from pegboard_auth._cache import SessionCache
from pegboard_auth._trail import last_change
from pegboard_database import Database, Snapshot

__all__ = ["ChangeFeed"]

INTERVAL = 0.25  # seconds between two readings
TRUSTED = 0.75  # seconds that a reading is trusted, from when it began
MOST = 1_000  # changes that are gone through; beyond, everything is forgotten

_logger = logging.getLogger("pegboard.auth")


class ChangeFeed:
    """Keeps the cache of one worker true.

    Args:
        database: Where the changes are.
        cache: What is kept true.
        changed: Told of the accounts and sessions that have changed.

    Attributes:
        seq: The last change that the cache has seen.
        fresh_until: Until when the cache may be trusted, by the monotonic clock.
    """

    def __init__(
        self,
        database: Database,
        cache: SessionCache,
        changed: Callable[[Collection[str]], None],
    ) -> None:
        self._database = database
        self._cache = cache
        self._changed = changed
        self._wanted = anyio.Event()
        self._reading = anyio.Lock()
        self.seq = 0
        self.fresh_until = 0.0

    async def run(self) -> None:
        """Follow the changes until cancelled."""
        while True:
            if not self._cache:
                self._wanted = anyio.Event()
                await self._wanted.wait()
            try:
                await self.read()
            except UnavailableError as error:
                _logger.warning("changes of sessions cannot be read: %s", error)
            await anyio.sleep(INTERVAL)

    async def read(self) -> None:
        """Take over what has changed up to now.

        Raises:
            UnavailableError: If the database does not answer.
        """
        async with self._reading:
            began = monotonic()
            seq, subjects = await self._database.aread(self._changes)
            if subjects is None:
                self._changed(self._cache.clear())
            elif subjects:
                self._cache.forget(subjects)
                self._changed(subjects)
            self.seq = max(seq, self.seq)
            self.fresh_until = began + TRUSTED

    def wake(self) -> None:
        """Go on, since there is something in the cache now."""
        self._wanted.set()

    def _changes(self, snapshot: Snapshot) -> tuple[int, list[str] | None]:
        """Return the last change, and what has changed; None if that is not known any more."""
        seq = last_change(snapshot)
        if seq == self.seq:
            return seq, []
        rows = snapshot.all(
            "select seq, subject from changes where seq > ? order by seq limit ?",
            self.seq,
            MOST + 1,
        )
        is_whole = len(rows) <= MOST and len(rows) == seq - self.seq
        return seq, [subject for _, subject in rows] if is_whole else None

"""Following what other workers change: nothing that is cached is older than a second.

Each worker reads four times a second what has changed, and which sessions have reached their end,
so that what is open for them is closed. It trusts its cache only for as long as the last reading is
fresh: a worker that cannot read asks the database for each request, and never lets somebody in whom
another worker has thrown out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from time import monotonic, time

import anyio

from pegboard.errors import UnavailableError
from pegboard_auth._account_table import everybody
from pegboard_auth._cache import SessionCache
from pegboard_auth._key_table import expired_keys
from pegboard_auth._session_table import expired
from pegboard_auth._trail import last_change
from pegboard_database import Records, Rows

__all__ = ["ChangeFeed"]

INTERVAL = 0.25  # seconds between two readings
TRUSTED = 0.75  # seconds that a reading is trusted, from when it began
MOST = 1_000  # changes that are gone through; beyond, everybody is asked again
UNKNOWN = -1  # number of the last change, before the first reading

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
        database: Records,
        cache: SessionCache,
        changed: Callable[[Collection[str]], None],
    ) -> None:
        self._database = database
        self._cache = cache
        self._changed = changed
        self._reading = anyio.Lock()
        self._looked_at = time()
        self.seq = UNKNOWN
        self.fresh_until = 0.0

    def follow_from(self, previous: ChangeFeed) -> None:
        """Go on where another one was: sockets that it knew of are open still."""
        self.seq, self._looked_at = previous.seq, previous._looked_at

    async def dismiss(self) -> None:
        """Let whatever is open for anybody end: nobody will say any more who may stay."""
        self._changed(await self._database.aread(everybody))

    async def run(self) -> None:
        """Follow the changes until cancelled: always, since sockets may be open."""
        while True:
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
            began, now = monotonic(), time()
            seq, subjects = await self._database.aread(lambda rows: self._changes(rows, now))
            if subjects is None:
                subjects = await self._database.aread(everybody)
                self._cache.clear()
            if subjects:
                self._cache.forget(subjects)
                self._changed(subjects)
            self.seq, self._looked_at = seq, now
            self.fresh_until = began + TRUSTED

    def _changes(self, rows: Rows, now: float) -> tuple[int, list[str] | None]:
        """Return the last change, and what has changed; None if that is not known any more."""
        seq = last_change(rows)
        ended = [*expired(rows, self._looked_at, now), *expired_keys(rows, self._looked_at, now)]
        if self.seq in {seq, UNKNOWN}:
            return seq, ended
        query = "select seq, subject from changes where seq > ? order by seq limit ?"
        found = rows.all(query, self.seq, MOST + 1)
        is_whole = len(found) <= MOST and len(found) == seq - self.seq
        return seq, [subject for _, subject in found] + ended if is_whole else None

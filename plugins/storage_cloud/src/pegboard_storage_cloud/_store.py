"""A service as a store: what it does when the service is there, and when it is away.

Away means that it did not answer in time. Then writes are kept in the outbox, where there is one,
and reads answer the last copy known. What waits for a file is sent before anything else is done
with that file.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from threading import Lock
from typing import TypeVar
from zlib import crc32

import msgspec

from pegboard.contracts.storage import (
    ABSENT,
    Capabilities,
    Entry,
    FileKey,
    KeyPage,
    KeyRange,
    Store,
    Written,
)
from pegboard.errors import (
    ConflictError,
    InputError,
    PegboardError,
    TooLargeError,
    UnavailableError,
)
from pegboard_storage_cloud._breaker import Breaker
from pegboard_storage_cloud._copies import Copies
from pegboard_storage_cloud._dispatch import all_sent
from pegboard_storage_cloud._frame import Frame
from pegboard_storage_cloud._identity import Writer
from pegboard_storage_cloud._lineage import conflict
from pegboard_storage_cloud._outbox import Outbox, Waiting
from pegboard_storage_cloud._patience import CrowdedError
from pegboard_storage_cloud._remote import PathPage, Remote, Write

__all__ = ["CloudStatistics", "CloudStore"]

T = TypeVar("T")

LOCKS = 256  # writes of this process to one file go one after the other
DEADLINE = 3.0  # times the time limit of one request: waiting for others, sending what waits, ours

_logger = logging.getLogger("pegboard.storage_cloud")


class CloudStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """How a service and its outbox are.

    Attributes:
        is_away: Whether the service is taken to be away.
        waiting: Writes that wait for it.
        waiting_since: When the first of them was made.
        conflicts: Writes that it refused, which somebody has to decide about.
    """

    is_away: bool
    waiting: int
    waiting_since: datetime | None
    conflicts: int


class _Change(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a change: whether there was a file before, and whether it waits."""

    replaced: bool
    pending: bool


class _AwayError(UnavailableError):
    """The service was not asked, since it did not answer just now."""


class CloudStore(Store):
    """Files in a service.

    Args:
        remote: The service.
        breaker: When to ask it again.
        outbox: Where writes wait while it is away; None refuses them then.
        copies: What reads answer then; None refuses them.
        shared: Whether several processes may write.
        timeout: Seconds that the service has for one request of ours.
        max_size: Bytes of the longest file.
    """

    def __init__(
        self,
        remote: Remote,
        *,
        breaker: Breaker,
        outbox: Outbox | None = None,
        copies: Copies | None = None,
        shared: bool = True,
        timeout: float = 5.0,
        max_size: int = 64 * 1024 * 1024,
    ) -> None:
        self._remote = remote
        self._breaker = breaker
        self._outbox = outbox
        self._copies = copies
        self._timeout = timeout
        self._is_connected = False
        self._writer = Writer()
        self._locks = [Lock() for _ in range(LOCKS)]
        self._max_size = max_size
        self._capabilities = Capabilities(
            backend=remote.name,
            durable=remote.durable,
            shared=shared,
            deadline=timeout * DEADLINE,
            max_size=max_size,
        )

    @property
    def capabilities(self) -> Capabilities:
        """What this store can do."""
        return self._capabilities

    def read(self, key: FileKey) -> Entry | None:
        """Return the file; a copy with `stale_since` if the service is away.

        Raises:
            ConfigError: If the service may not be used as the settings say.
            CorruptError: If what is kept is not what was written.
            UnavailableError: If the service is away and no copy is known.
        """
        path = key.path
        waiting = self._sent(path)
        if waiting is not None:
            return _waiting_entry(waiting)
        try:
            frame = self._ask(lambda: self._remote.load(path))
        except UnavailableError as error:
            return self._last_known(path, error)
        if frame is None:
            return None
        self._note(path, frame)
        return None if frame.data is None else Entry(data=frame.data, version=frame.version)

    def write(self, key: FileKey, data: bytes, *, expected_version: str | None = None) -> Written:
        """Keep `data`, in the outbox if the service is away.

        Raises:
            ConfigError: If the service may not be used as the settings say.
            ConflictError: If the file has another version than expected.
            TooLargeError: If it is longer than `max_size`.
            UnavailableError: If the service is away, and there is no outbox or it is full.
        """
        if len(data) > self._max_size:
            msg = f"{key} would have {len(data)} bytes, more than {self._max_size} (max_size)"
            raise TooLargeError(msg)
        write = Write(version=self._writer.new_version(), data=data, expected=expected_version)
        return Written(version=write.version, pending=self._change(key, write).pending)

    def delete(self, key: FileKey, *, expected_version: str | None = None) -> bool:
        """Remove the file, later if the service is away; False where there was none.

        Raises:
            ConfigError: If the service may not be used as the settings say.
            ConflictError: If the file has another version than expected.
            UnavailableError: If the service is away, and there is no outbox, it is full, or it is
                not known whether there is such a file.
        """
        write = Write(version=self._writer.new_version(), data=None, expected=expected_version)
        return self._change(key, write).replaced

    def list(self, within: KeyRange, *, cursor: str = "", limit: int = 1000) -> KeyPage:
        """Return keys of the range, with those of files that wait in the outbox.

        Raises:
            ConfigError: If the service may not be used as the settings say.
            InputError: If the cursor is not one that this method gave.
            UnavailableError: If the service is away.
        """
        below = within.path
        if cursor and (FileKey.from_path(cursor) is None or not cursor.startswith(below)):
            raise InputError("that is no cursor of a listing of these files: begin without one")
        page = self._ask(lambda: self._remote.list(below, after=cursor, limit=limit))
        if self._outbox is not None:
            page = _with_waiting(page, self._outbox.below(below), after=cursor, limit=limit)
        keys = [FileKey.from_path(path) for path in page.paths]
        found = tuple(key for key in keys if key is not None and key in within)
        return KeyPage(keys=found, cursor=page.cursor)

    def send_waiting(self) -> bool:
        """Send what waits in the outbox; False if the service is away.

        A file that cannot be sent keeps no other one from it: what is wrong is raised at the end.

        Raises:
            ConfigError: If the service may not be used as the settings say.
            CorruptError: If what the service keeps of a file is not what was written.
        """
        paths = [] if self._outbox is None else self._outbox.paths()
        return all_sent(lambda path: self._sent(path) is None, paths)

    def ask(self) -> None:
        """Ask the service for something that costs little, to find out whether it answers.

        Raises:
            ConfigError: If the service may not be used as the settings say.
            UnavailableError: If the service is away.
        """
        self._ask(lambda: self._remote.list("", after="", limit=1))

    def statistics(self) -> CloudStatistics:
        """Return how the service and its outbox are."""
        items = [] if self._outbox is None else self._outbox.items()
        waiting = [each for each in items if each.state == "waiting"]
        return CloudStatistics(
            is_away=self._breaker.is_open,
            waiting=len(waiting),
            waiting_since=waiting[0].made_at if waiting else None,
            conflicts=len(items) - len(waiting),
        )

    @property
    def wait(self) -> float:
        """Seconds until the service may be tried again; 0 if now."""
        return self._breaker.wait

    def close(self) -> None:
        """Close the connections to the service."""
        self._remote.close()

    def _change(self, key: FileKey, write: Write) -> _Change:
        path = key.path
        with self._alone(path):
            try:
                if self._outbox is not None and self._send(self._outbox, path) is not None:
                    return self._keep(self._outbox, path, write, is_sent=False)
                applied = self._ask(lambda: self._remote.apply(path, write))
            except ConflictError as error:
                raise conflict(str(key), write) from error
            except CrowdedError:
                raise
            except UnavailableError as error:
                if self._outbox is None:
                    raise
                is_sent = not isinstance(error, _AwayError)
                return self._keep(self._outbox, path, write, is_sent=is_sent)
            self._note(path, applied.frame)
            return _Change(replaced=applied.replaced, pending=False)

    def _ask(self, function: Callable[[], T]) -> T:
        """Ask the service, unless it did not answer just now.

        Raises:
            PegboardError: What the service answers, or that it does not.
        """
        if not self._breaker.admits():
            msg = f"the {self._remote.name} service is away"
            raise _AwayError(msg, retry_after=self._breaker.wait)
        try:
            if not self._is_connected:
                self._remote.connect()
                self._is_connected = True
            answer = function()
        except CrowdedError:
            self._breaker.succeeded()
            raise
        except UnavailableError:
            self._breaker.failed()
            raise
        except PegboardError:
            self._breaker.succeeded()
            raise
        self._breaker.succeeded()
        return answer

    def _note(self, path: str, frame: Frame) -> None:
        """Keep a copy; that there is none is no reason to fail what the service has done."""
        if self._copies is None:
            return
        try:
            self._copies.note(path, frame)
        except PegboardError as error:
            _logger.warning("no copy of %s is kept for an outage: %s", path, error)

    @contextmanager
    def _alone(self, path: str) -> Iterator[None]:
        """Keep other threads from writing the same file, so that they do not refuse one another."""
        lock = self._locks[crc32(path.encode()) % LOCKS]
        if not lock.acquire(timeout=self._timeout):
            raise CrowdedError(f"{path} is written by too many at once: try again", retry_after=1.0)
        try:
            yield
        finally:
            lock.release()

    def _keep(self, outbox: Outbox, path: str, write: Write, *, is_sent: bool) -> _Change:
        """Let a write wait in the outbox."""
        before = self._before(outbox, path)
        if write.data is None and write.expected is None:
            if before is None:
                msg = "whether there is such a file is not known while the service is away"
                raise UnavailableError(msg, retry_after=self._breaker.wait)
            if before.data is None and not is_sent:
                return _Change(replaced=False, pending=False)
        base = ABSENT if before is None else before.version
        outbox.append(path, write, base=base, is_sent=is_sent)
        return _Change(replaced=before is None or before.data is not None, pending=True)

    def _before(self, outbox: Outbox, path: str) -> Frame | None:
        """Return the last state of a file that is known here."""
        waiting = outbox.latest(path)
        if waiting is not None:
            return Frame(version=waiting.version, data=waiting.data)
        copy = None if self._copies is None else self._copies.get(path)
        return None if copy is None else copy.frame

    def _last_known(self, path: str, error: UnavailableError) -> Entry:
        """Return the copy of a file, which says that it is one.

        Raises:
            UnavailableError: `error`, if there is no copy. That a file was not there is no
                answer: it may have come since, and None could not say how old it is.
        """
        copy = None if self._copies is None else self._copies.get(path)
        if copy is None or copy.frame.data is None:
            raise error
        return Entry(data=copy.frame.data, version=copy.frame.version, stale_since=copy.seen_at)

    def _sent(self, path: str) -> Waiting | None:
        """Send what waits for a file; return what still does."""
        if self._outbox is None or self._outbox.latest(path) is None:
            return None
        with self._alone(path):
            return self._send(self._outbox, path)

    def _send(self, outbox: Outbox, path: str) -> Waiting | None:
        """Do the same for who holds the lock of the file."""
        last = outbox.latest(path)
        while last is not None and self._breaker.wait == 0:
            item = outbox.claim(path)
            if item is None:
                return None
            try:
                self._deliver(outbox, item)
            except CrowdedError:
                raise
            except UnavailableError:
                return last
        return last

    def _deliver(self, outbox: Outbox, item: Waiting) -> None:
        try:
            applied = self._ask(lambda: self._remote.apply(item.path, item.write))
        except ConflictError:
            theirs = self._ask(lambda: self._remote.load(item.path))
            version = ABSENT if theirs is None else theirs.version
            if outbox.keep_both(item, version):
                _logger.warning(
                    "%s was changed by others while the service was away: their content is there, "
                    "ours is kept in the outbox; `pegboard outbox` shows both",
                    item.path,
                )
        else:
            outbox.settle(item)
            self._note(item.path, applied.frame)


def _waiting_entry(waiting: Waiting) -> Entry | None:
    if waiting.data is None:
        return None
    return Entry(data=waiting.data, version=waiting.version, stale_since=waiting.made_at)


def _with_waiting(
    page: PathPage, waiting: Mapping[str, bool], *, after: str, limit: int
) -> PathPage:
    """Return a page as it will be when all that waits is sent."""
    inside = {
        path: there
        for path, there in waiting.items()
        if path > after and (not page.cursor or path <= page.cursor)
    }
    paths = {path for path in page.paths if inside.get(path, True)}
    merged = sorted(paths | {path for path, there in inside.items() if there})
    if len(merged) > limit:
        return PathPage(paths=merged[:limit], cursor=merged[limit - 1])
    return PathPage(paths=merged, cursor=page.cursor)

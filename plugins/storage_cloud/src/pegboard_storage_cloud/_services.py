"""The services of one app, with the outbox that they share."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import anyio
from anyio import to_thread

from pegboard import HealthCheck
from pegboard.errors import ConfigError, PegboardError
from pegboard_database import Database
from pegboard_storage_cloud._access import chosen_service, configured_services, open_remote
from pegboard_storage_cloud._breaker import Breaker
from pegboard_storage_cloud._copies import COPIES, Copies
from pegboard_storage_cloud._outbox import OUTBOX, Outbox
from pegboard_storage_cloud._store import CloudStatistics, CloudStore
from pegboard_storage_cloud.config import StorageCloudConfig

__all__ = ["Services", "outbox_path"]

POLL = 1.0  # seconds after which writes of other processes are looked for
STUCK = 60.0  # seconds that a write waits for a service that is there before it is a problem

_logger = logging.getLogger("pegboard.storage_cloud")


def outbox_path(data: Path) -> Path:
    """Return the file of the outbox in the data folder of an app."""
    return data / "storage_cloud" / "outbox.sqlite"


class Services:
    """The stores of one app.

    Args:
        settings: Which there are.
        data: Data folder of the app.
        environ: The environment, for what the settings leave open.
    """

    def __init__(
        self, settings: StorageCloudConfig, data: Path, environ: Mapping[str, str] = os.environ
    ) -> None:
        self._settings = settings
        self._data = data
        self._environ = environ
        self._names = configured_services(settings, environ)
        self._closing = ExitStack()
        self._stores: dict[str, CloudStore] = {}
        self._problems: dict[str, ConfigError] = {}

    def store(self, backend: str) -> CloudStore:
        """Return the store that a backend means.

        Raises:
            ConfigError: If there is none, or its settings are wrong.
        """
        name = chosen_service(backend, self._settings, self._names)
        if name in self._problems:
            raise self._problems[name]
        return self._stores[name]

    def open(self) -> None:
        """Open outbox and stores, without asking a service yet; this blocks.

        Raises:
            PegboardError: If the outbox cannot be opened.
        """
        for name in self._names:
            try:
                self._stores[name] = self._open(name)
            except ConfigError as error:
                self._problems[name] = error

    def close(self) -> None:
        """Close all that was opened; this blocks."""
        self._closing.close()

    def send(self) -> dict[str, bool]:
        """Send what waits; return for each service whether it has all that did. This blocks.

        Raises:
            ConfigError: If a service may not be used as the settings say.
        """
        for problem in self._problems.values():
            raise problem
        return {name: store.send_waiting() for name, store in self._stores.items()}

    async def deliver(self) -> None:
        """Send what waits, for ever: soon after it was written, and when a service is back."""
        async with anyio.create_task_group() as group:
            for store in self._stores.values():
                group.start_soon(_deliver, store)

    def checks(self, *, ask: bool = False) -> list[HealthCheck]:
        """Return how each service is.

        Args:
            ask: Ask each of them first; this blocks. Else the answer is what is known so far.
        """
        failed = [
            HealthCheck(name=name, ok=False, detail=str(error))
            for name, error in self._problems.items()
        ]
        check = _asked if ask else _check
        return failed + [check(name, store) for name, store in self._stores.items()]

    def _open(self, name: str) -> CloudStore:
        settings = self._settings
        remote, target = open_remote(name, settings, self._environ, Path.home())
        self._closing.callback(remote.close)
        outbox = copies = None
        if settings.outbox:
            kept = self._closing.enter_context(Database(outbox_path(self._data), OUTBOX))
            outbox = Outbox(kept, target, limit=settings.outbox_bytes)
        if settings.stale_reads:
            path = outbox_path(self._data).with_name("copies.sqlite")
            seen = self._closing.enter_context(Database(path, COPIES, durability="normal"))
            copies = Copies(seen, target, limit=settings.copies_bytes)
        return CloudStore(
            remote,
            breaker=Breaker(settings.retry_pause, settings.retry_pause_max),
            outbox=outbox,
            copies=copies,
            shared=settings.shared,
            timeout=settings.timeout,
            max_size=settings.max_size,
        )


async def _deliver(store: CloudStore) -> None:
    reported = ""
    while True:
        try:
            # left behind when the app stops: what is sent twice is written once
            await to_thread.run_sync(store.send_waiting, abandon_on_cancel=True)
            reported = ""
        except PegboardError as error:
            if str(error) != reported:
                reported = str(error)
                _logger.error("the outbox is not sent: %s", error)  # noqa: TRY400 - the sentence says it all
        await anyio.sleep(max(store.wait, POLL))


def _asked(name: str, store: CloudStore) -> HealthCheck:
    try:
        store.ask()
    except PegboardError as error:
        detail = _sentence(store.statistics(), found=str(error))
        return HealthCheck(name=name, ok=False, detail=detail)
    return _check(name, store)


def _check(name: str, store: CloudStore) -> HealthCheck:
    state = store.statistics()
    return HealthCheck(
        name=name,
        ok=not state.is_away and not state.conflicts and not _is_stuck(state),
        detail=_sentence(state),
    )


def _is_stuck(state: CloudStatistics) -> bool:
    if state.is_away or state.waiting_since is None:
        return False
    return (datetime.now(UTC) - state.waiting_since).total_seconds() > STUCK


def _sentence(state: CloudStatistics, *, found: str = "") -> str:
    parts = [found or ("away" if state.is_away else "not known to be away")]
    if state.waiting_since is not None:
        since = state.waiting_since.isoformat(timespec="seconds")
        parts.append(f"{state.waiting} writes wait in the outbox, the first since {since}")
    if _is_stuck(state):
        parts.append("though the service is there: `pegboard outbox send` says why")
    if state.conflicts:
        parts.append(f"{state.conflicts} conflicts: pegboard outbox list")
    return "; ".join(parts)

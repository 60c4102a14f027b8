"""What the repository mod has open in one app: its files, and the watch over who has what."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import anyio
import msgspec
from anyio import to_thread

from pegboard import App
from pegboard.errors import PegboardError
from pegboard_locking import Checkout, FileService

__all__ = ["Desk", "Held"]

T = TypeVar("T")

TICK = 0.5  # seconds between two looks at what other processes have done

_logger = logging.getLogger("pegboard.mods.repository")


class Held(msgspec.Struct, frozen=True):
    """Who has what, and what was done last.

    Attributes:
        checkouts: All check-outs, without their tokens.
        seq: Number of the last entry of the trail.
    """

    checkouts: list[Checkout]
    seq: int


class Desk:
    """The service, and a task that tells everyone who looks when something has changed.

    Other processes may work with the same files: what they do is in the trail, and a check-out that
    ends by itself is in nothing. So the task looks, as long as somebody is there to be told.

    Args:
        app: The app.
        folder: Where everything lies.
        channel: WebSocket channel of those who look.
        lease: Seconds after which a check-out ends unless it is renewed.
    """

    def __init__(self, app: App, folder: Path, *, channel: str, lease: float) -> None:
        self.service = FileService(
            folder / "files", folder / "locks.db", lease=lease, may_override=lambda _user: True
        )
        self._app = app
        self._channel = channel
        self._bell = anyio.Event()
        self._closing = anyio.Event()

    async def ask(self, function: Callable[..., T], *args: Any, **keywords: Any) -> T:
        """Ask the service something, in a worker thread."""
        return await to_thread.run_sync(partial(function, *args, **keywords))

    async def run(self, function: Callable[..., T], *args: Any, **keywords: Any) -> T:
        """Do something with the service, in a worker thread, and let everyone know."""
        try:
            return await self.ask(function, *args, **keywords)
        finally:
            self._bell.set()

    async def held(self) -> Held:
        """Return who has what now."""
        return await self.ask(self._look)

    async def watch(self) -> None:
        """Tell everyone who looks what has changed, until the desk or the app closes.

        First, what killed processes have left is removed.
        """
        await self._tidy()
        last: Held | None = None
        while not self._closing.is_set() and not self._app.stopping.is_set():
            if self._app.ws_connections(self._channel):
                last = await self._tell(last)
            else:
                last = None
            await self._wait()

    async def close(self) -> None:
        """Close the files and end the watch."""
        self._closing.set()
        self._bell.set()
        await to_thread.run_sync(self.service.close)

    async def _tidy(self) -> None:
        try:
            await self.ask(self.service.prune)
        except (PegboardError, OSError) as error:
            if not self._closing.is_set():
                _logger.warning("what is not kept stays until the next start: %s", error)

    async def _tell(self, last: Held | None) -> Held | None:
        try:
            now = await self.held()
            if last is not None and now != last:
                done = await self.ask(self.service.lock_manager.audit, after=last.seq)
                event = {"event": "held", "data": now, "done": done}
                await self._app.ws_broadcast(self._channel, event)
        except PegboardError as error:
            if not self._closing.is_set():
                _logger.warning("nobody can be told who has what: %s", error)
            return last
        return now

    async def _wait(self) -> None:
        with anyio.move_on_after(TICK):
            await self._bell.wait()
        self._bell = anyio.Event()

    def _look(self) -> Held:
        manager = self.service.lock_manager
        newest = manager.audit(before=2**62, limit=1)
        return Held(manager.checkouts(), newest[0].seq if newest else 0)

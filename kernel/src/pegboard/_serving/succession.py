"""How a process that serves is followed by a new one on the same sockets, with no gap between.

The new process starts beside the old. Once it takes requests, the old one stops taking any, ends
those that it has, and ends. Where that is the only one, it stays as the parent of the new one, so
that the number that a terminal or a service manager knows stays what it was.
"""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import anyio
from anyio import to_thread

if TYPE_CHECKING:
    from pegboard._serving.serve import ServeRequest
    from pegboard._serving.workers import Worker
    from pegboard.contracts.server import ServeSettings

__all__ = ["ByChild", "ByParent", "Succession"]

SUCCESSOR = b"s"
"""What a worker tells its parent: it wants to be followed by a new one."""

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""What stops a process that serves."""

_logger = logging.getLogger("pegboard.serve")


class Succession(Protocol):
    """Finds a successor for the process that serves."""

    async def hand_over(self) -> bool:
        """Have a new process take over; return whether this one is to stop now."""
        ...

    def stop(self) -> None:
        """Take note that everything is to stop, the successor as well."""
        ...

    def leave(self) -> None:
        """Take note that this process serves no more, and no longer hears signals."""
        ...


class ByParent:
    """The succession of a worker: its parent starts the next one, and stops this one then.

    Args:
        channel: Leads to the parent.
    """

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel

    async def hand_over(self) -> bool:
        """Ask the parent, who will send a signal."""
        self._channel.sendall(SUCCESSOR)
        return False

    def stop(self) -> None:
        """Leave it to the parent, who knows."""

    def leave(self) -> None:
        """Do nothing: the process ends."""


class ByChild:
    """The succession of a process that serves alone: by a child, which it watches from then on.

    Args:
        request: What the command line was asked for.
        sockets: Listening sockets.
    """

    def __init__(self, request: ServeRequest, sockets: Sequence[socket.socket]) -> None:
        self._request = request
        self._sockets = sockets
        self._child: Worker | None = None
        self._is_stopped = False

    async def hand_over(self) -> bool:
        """Start the child; return whether it serves. If it cannot, this process goes on."""
        from pegboard._serving.workers import Worker  # where somebody wants one

        _logger.info("a new process is starting, to take over from this one")
        child = Worker(1)
        descriptors = [each.fileno() for each in self._sockets]
        await to_thread.run_sync(lambda: child.start(self._request, descriptors))
        try:
            while child.channel is not None and child.read() and not child.is_ready:
                await anyio.wait_readable(child.channel)
        finally:
            if not child.is_ready:
                child.abandon()
        if not child.is_ready:
            _logger.error("the new process could not start: this one goes on")
            return False
        _logger.info("process %d has taken over; this one ends what it has begun", child.pid)
        self._child = child
        if self._is_stopped:
            self.stop()
        return True

    def stop(self) -> None:
        """Tell the child, now or as soon as there is one."""
        self._is_stopped = True
        if self._child is not None:
            self._child.terminate()

    def leave(self) -> None:
        """Let signals wait for whoever watches over the child."""
        if self._child is not None:
            signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)

    def follow(self, settings: ServeSettings) -> int:
        """Watch over the child, if there is one, until it ends; return the exit status."""
        if self._child is None:
            return 0
        from pegboard._serving.workers import supervise

        return supervise(
            self._request,
            settings,
            self._sockets,
            serving=self._child,
            is_stopping=self._is_stopped,
        )

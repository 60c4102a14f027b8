"""A server that runs on a loop in another thread, with a `Probe` behind it."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from anyio.abc import TaskStatus
from anyio.from_thread import BlockingPortal, start_blocking_portal

from pegboard.contracts.server import Server, ServeSettings
from pegboard.testing._raw_client import Client
from pegboard.testing._server_probe import Probe

__all__ = [
    "TIMEOUT",
    "RunningServer",
    "listening_socket",
    "new_portal",
    "new_settings",
    "running_server",
]

TIMEOUT = 10.0
"""Seconds in which everything has to have happened."""


class RunningServer:
    """A server that runs on a loop in another thread.

    Attributes:
        probe: The application.
        port: Where it listens.
        portal: To run something on its loop.
    """

    def __init__(
        self, portal: BlockingPortal, probe: Probe, port: int, wait: Callable[[float], Any]
    ) -> None:
        self.portal = portal
        self.probe = probe
        self.port = port
        self._wait = wait
        self._clients: list[Client] = []

    def client(self, context: ssl.SSLContext | None = None, *, receive_buffer: int = 0) -> Client:
        """Open a connection, with a receive buffer of some bytes or that of the system."""
        connection = socket.socket()
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.settimeout(TIMEOUT)
        connection.connect(("127.0.0.1", self.port))
        if context is not None:
            connection = context.wrap_socket(connection, server_hostname="localhost")
        client = Client(connection)
        self._clients.append(client)
        return client

    def get(self, path: str = "/") -> tuple[int, bytes]:
        """Send one request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def begin_stop(self) -> None:
        """Tell server and application to end, and return at once."""
        self.portal.call(self.probe.stop.set)

    def ends_within(self, seconds: float) -> bool:
        """Wait for `serve` to return."""
        try:
            self._wait(seconds)
        except TimeoutError:
            return False
        return True

    def close(self) -> None:
        """Close all clients and stop."""
        for client in self._clients:
            client.close()
        self.portal.call(self.probe.release.set)
        self.begin_stop()
        self._wait(TIMEOUT)


@contextmanager
def listening_socket() -> Iterator[socket.socket]:
    """Yield a socket that listens on a free port of the loopback interface."""
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", 0))
        listening.listen(128)
        yield listening


def new_portal(backend: str) -> AbstractContextManager[BlockingPortal]:
    """Return what runs an event loop in another thread."""
    if backend == "uvloop":
        return start_blocking_portal("asyncio", {"use_uvloop": True})
    return start_blocking_portal(backend)


def new_settings(backend: str, **changes: Any) -> ServeSettings:
    """Return settings for a loop."""
    return ServeSettings(backend="trio" if backend == "trio" else "asyncio", **changes)


@contextmanager
def running_server(server: Server, backend: str, **changes: Any) -> Iterator[RunningServer]:
    """Run a server with the probe behind it, on a free port.

    Args:
        server: The server.
        backend: `asyncio`, `uvloop` or `trio`.
        changes: Settings that differ from the defaults.
    """
    settings = new_settings(backend, **{"shutdown_timeout": 2.0, **changes})
    with listening_socket() as listening, new_portal(backend) as portal:
        probe = portal.call(_make_probe)

        async def serve(*, task_status: TaskStatus[None]) -> None:
            await server.serve(
                probe,
                settings,
                sockets=[listening.fileno()],
                started=task_status.started,
                stop=probe.stop,
            )

        future, _ = portal.start_task(serve)
        running = RunningServer(portal, probe, listening.getsockname()[1], future.result)
        try:
            yield running
        finally:
            running.close()


async def _make_probe() -> Probe:
    return Probe()

"""An app on a real server, on a loop in another thread, for clients that block."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
from anyio.abc import TaskStatus
from anyio.from_thread import start_blocking_portal

from pegboard import App
from pegboard.contracts.server import ServeSettings
from pegboard_server_uvicorn import UvicornServer

STOP_TIMEOUT = 20.0


@contextmanager
def served(app: App, port: int = 0) -> Iterator[str]:
    """Start an app, serve it, on a free port by default, and stop both; yields the address."""
    listener = socket.create_server(("127.0.0.1", port))
    with listener, start_blocking_portal() as portal:
        running, stop = portal.start_task(_serve, app, listener.fileno())
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            portal.call(stop)
            running.result(STOP_TIMEOUT)


async def _serve(app: App, descriptor: int, *, task_status: TaskStatus[Any]) -> None:
    end = anyio.Event()
    async with app:

        def stop() -> None:
            app.stopping.set()
            end.set()

        await UvicornServer().serve(
            app.asgi(),
            ServeSettings(shutdown_timeout=2),
            sockets=[descriptor],
            started=lambda: task_status.started(stop),
            stop=end,
        )

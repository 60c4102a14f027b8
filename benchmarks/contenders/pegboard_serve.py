"""Pegboard as `pegboard serve` runs it: on server plugins of its own."""

import socket

import anyio

from benchmarks.asgi_type import ASGIApp
from benchmarks.contenders.pegboard import open_app
from pegboard.contracts.server import Server, ServeSettings

__all__ = ["open_app", "serve"]


async def serve(app: ASGIApp, listener: socket.socket, server: str) -> None:
    """Serve with the plugin for that server, until the process is told to end."""
    await _plugin(server).serve(
        app,
        ServeSettings(),
        sockets=[listener.fileno()],
        started=lambda: None,
        stop=anyio.Event(),
    )


def _plugin(server: str) -> Server:
    if server == "uvicorn":
        from pegboard_server_uvicorn import UvicornServer

        return UvicornServer()
    from pegboard_server_hypercorn import HypercornServer

    return HypercornServer()

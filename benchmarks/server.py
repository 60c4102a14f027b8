"""A process that serves one contender on one server.

Run as ``python -m benchmarks.server CONTENDER SERVER``; it prints the port and serves on loopback
until it is told to end.
"""

import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any, cast

from benchmarks.asgi_type import ASGIApp
from benchmarks.contender import ALL, Contender
from benchmarks.loop import run

MANY = 10**9
"""Requests before hypercorn closes a connection: never, since keep-alive is what is measured."""


async def _uvicorn(app: ASGIApp, listener: socket.socket) -> None:
    import uvicorn

    config = uvicorn.Config(app, http="httptools", access_log=False, log_level="warning")
    await uvicorn.Server(config).serve(sockets=[listener])


async def _hypercorn(app: ASGIApp, listener: socket.socket) -> None:
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.keep_alive_max_requests = MANY
    config.loglevel = "WARNING"
    await serve(cast("Any", app), config)  # its types are narrower than ASGI's


_SERVE: dict[str, Callable[[ASGIApp, socket.socket], Awaitable[None]]] = {
    "uvicorn": _uvicorn,
    "hypercorn": _hypercorn,
    "hypercorn-uvloop": _hypercorn,
}


async def _main(contender: Contender, server: str) -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    async with contender.open("open_app") as app:
        print(listener.getsockname()[1], flush=True)
        serve = getattr(contender.load(), "serve", None)
        await (serve(app, listener, server) if serve else _SERVE[server](app, listener))


if __name__ == "__main__":
    run(_main(ALL[sys.argv[1]], sys.argv[2]), uvloop=sys.argv[2] != "hypercorn")

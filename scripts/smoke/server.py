"""One server alone: it runs any ASGI callable on a socket until it is told to stop."""

import socket
from typing import Any
from urllib.request import urlopen

import anyio
from anyio import to_thread

from pegboard import App
from pegboard.contracts.server import Server, ServeSettings

app = App("smoke")
settings = ServeSettings(port=0)


async def hello(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http", scope
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]}
    await send(start)
    await send({"type": "http.response.body", "body": b"hello"})


def ask(port: int) -> bytes:
    with urlopen(f"http://127.0.0.1:{port}/", timeout=10) as response:
        body: bytes = response.read()
        return body


async def main() -> None:
    async with app:
        [(_, server)] = app.hooks.all("serve", app=app, settings=settings)
        await serve(server)


async def serve(server: Server) -> None:
    started, stop = anyio.Event(), anyio.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)

        async def run() -> None:
            await server.serve(
                hello, settings, sockets=[listener.fileno()], started=started.set, stop=stop
            )

        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                group.start_soon(run)
                await started.wait()
                assert await to_thread.run_sync(ask, listener.getsockname()[1]) == b"hello"
                stop.set()


anyio.run(main)

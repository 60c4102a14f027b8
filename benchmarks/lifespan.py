"""Both ends of the ASGI lifespan protocol."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from benchmarks.asgi_type import ASGIApp, Message, Receive, Send


async def answer_lifespan(receive: Receive, send: Send) -> None:
    """Say that start-up and shutdown are complete: for applications that have neither."""
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


@asynccontextmanager
async def lifespan(app: ASGIApp) -> AsyncIterator[ASGIApp]:
    """Start ``app`` as a server would, and shut it down on leaving.

    An application that raises on the lifespan scope is taken to have none.

    Raises:
        RuntimeError: when the application reports that start-up failed.
    """
    inbox: asyncio.Queue[Message] = asyncio.Queue()
    outbox: asyncio.Queue[Message] = asyncio.Queue()
    state: dict[str, Any] = {}
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}

    async def speak() -> None:
        try:
            await app(scope, inbox.get, outbox.put)
        except Exception as error:  # noqa: BLE001  (any raise means: no lifespan support)
            await outbox.put({"type": "unsupported", "message": repr(error)})

    task = asyncio.create_task(speak())
    await inbox.put({"type": "lifespan.startup"})
    answer = await outbox.get()
    if answer["type"] == "lifespan.startup.failed":
        raise RuntimeError(f"the application did not start: {answer.get('message')}")
    try:
        yield app
    finally:
        await inbox.put({"type": "lifespan.shutdown"})
        await task

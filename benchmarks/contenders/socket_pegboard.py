"""Pegboard's WebSocket transport: two handlers of a mod."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.asgi_type import ASGIApp
from benchmarks.contenders import socket_pegboard_mod
from pegboard import App


@asynccontextmanager
async def open_app() -> AsyncIterator[ASGIApp]:
    """Run an app with the WebSocket transport and the mod, and give its ASGI callable."""
    app = App("bench", plugins=["transport_ws"], mods=[socket_pegboard_mod])
    async with app:
        yield app.asgi()

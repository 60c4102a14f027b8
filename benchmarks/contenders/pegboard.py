"""Pegboard: a mod of two exports, served by the HTTP transport."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.asgi_type import ASGIApp
from benchmarks.contenders import pegboard_mod
from pegboard import App


@asynccontextmanager
async def open_app() -> AsyncIterator[ASGIApp]:
    """Run an app with the HTTP transport and the mod, and give its ASGI callable."""
    app = App("bench", plugins=["transport_http"], mods=[pegboard_mod])
    async with app:
        yield app.asgi()

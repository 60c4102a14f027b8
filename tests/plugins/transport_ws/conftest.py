"""An app with a room, and what its handlers were told."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import anyio
import pytest

from pegboard import App
from pegboard.contracts.channel import Channels
from pegboard_transport_ws import Hub

RunApp = Callable[..., AbstractAsyncContextManager[App]]


@pytest.fixture
def run_app() -> RunApp:
    """Start an app with given settings of the transport, and given plugins beside it."""

    @asynccontextmanager
    async def run(*plugins: Any, dev: bool = False, **settings: Any) -> AsyncIterator[App]:
        config = {"plugins": {"transport_ws": settings}}
        wanted = ["transport_ws", *plugins]
        async with App("sockets", plugins=wanted, mods=[], config=config, dev=dev) as app:
            yield app

    return run


def hub_of(app: App) -> Hub:
    """Return the channels of an app as what they are: more than the contract says."""
    hub = app.service(Channels)  # type: ignore[type-abstract]  # a Protocol stands for its maker
    assert isinstance(hub, Hub)
    return hub


class Room:
    """Handlers that note what they are told.

    Attributes:
        events: What happened: `connect`, the payloads, `disconnect`.
        ids: Identities of the connections.
    """

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.ids: list[str] = []
        self.left = anyio.Event()

    def declare(self, app: App, **options: Any) -> None:
        @app.export(mod_name="Room", websocket_handler="talk", **options)
        def room() -> Any:
            return {
                "on_connect": self.on_connect,
                "on_message": self.on_message,
                "on_disconnect": self.on_disconnect,
            }

    async def on_connect(self, conn_id: str) -> Any:
        self.events.append("connect")
        self.ids.append(conn_id)

    async def on_message(self, payload: Any) -> Any:
        self.events.append(payload)
        return payload if isinstance(payload, (dict, list, bytes)) else None

    async def on_disconnect(self, conn_id: str) -> None:
        assert conn_id in self.ids
        self.events.append("disconnect")
        self.left.set()

"""The hooks of this plugin: start reading here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from pegboard import hookimpl
from pegboard.contracts.asgi import Route
from pegboard_transport_ws._option import WsOptions
from pegboard_transport_ws._transport import Transport
from pegboard_transport_ws.config import WsConfig

if TYPE_CHECKING:
    from pegboard import App, Export
    from pegboard.contracts.call import Layer

__all__ = ["plugin"]


class WsPlugin:
    """Serves WebSocket handlers; one transport for each app that it is active in."""

    sockets = 1
    """Increased when `Hub` and `Connection` can no longer work with those of the code before."""

    def __init__(self) -> None:
        self._transports: WeakKeyDictionary[App, Transport] = WeakKeyDictionary()

    @hookimpl
    def config_schema(self) -> type[WsConfig]:
        """Name the settings of `[plugins.transport_ws]`."""
        return WsConfig

    @hookimpl
    def export_options(self) -> type[WsOptions]:
        """Name `websocket_handler` and `websocket_context`."""
        return WsOptions

    @hookimpl
    def lifespan(self, app: App) -> AbstractAsyncContextManager[None]:
        """Provide `Channels`; close all sockets at the end."""
        return self._serving(app)

    @hookimpl
    def hand_over(self, app: App, previous: WsPlugin) -> Callable[[], None]:
        """Take the open sockets over, or close them where the code before kept them differently."""
        before = previous._transports[app]
        if previous.sockets != self.sockets:
            return before.give_up
        return partial(self._transports[app].take_over, before)

    @hookimpl
    def register_export(self, app: App, export: Export) -> Layer | None:
        """Compile the handlers that an export registers."""
        return self._transports[app].registration.register(export)

    @hookimpl
    def sessions_changed(self, app: App, subjects: Collection[str]) -> None:
        """Close the sockets of these sessions with 1008."""
        self._transports[app].end_sessions(subjects)

    @hookimpl
    def asgi_routes(self, app: App) -> list[Route]:
        """Serve `/ws`."""
        return [Route(kind="websocket", prefix="/ws", asgi=self._transports[app])]

    @asynccontextmanager
    async def _serving(self, app: App) -> AsyncIterator[None]:
        transport = self._transports[app] = Transport(app, app.settings("transport_ws"))
        try:
            async with transport.serving():
                yield
        finally:
            del self._transports[app]


plugin = WsPlugin()

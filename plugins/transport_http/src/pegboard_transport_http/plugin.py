"""The hooks of this plugin: start reading here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from pegboard import hookimpl
from pegboard.contracts.asgi import Route
from pegboard_transport_http._endpoint import NAME, Endpoint
from pegboard_transport_http._options import HttpOptions
from pegboard_transport_http._site import site_routes
from pegboard_transport_http._transport import HttpTransport
from pegboard_transport_http.config import HttpSettings

if TYPE_CHECKING:
    from pegboard import App, Export

__all__ = ["plugin"]


class HttpPlugin:
    """Serves exports over HTTP; one transport for each app."""

    def __init__(self) -> None:
        self._transports: WeakKeyDictionary[App, HttpTransport] = WeakKeyDictionary()

    @hookimpl
    def config_schema(self) -> type[HttpSettings]:
        """Name the settings of `[plugins.transport_http]`."""
        return HttpSettings

    @hookimpl
    def export_options(self) -> type[HttpOptions]:
        """Name the keyword `page`."""
        return HttpOptions

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, app: App) -> AsyncIterator[None]:
        """Follow the table of exports while the plugin is active."""
        transport = self._transports[app] = HttpTransport(app, app.settings(NAME))
        unsubscribe = app.registry.subscribe(transport.update)
        try:
            yield
        finally:
            unsubscribe()
            del self._transports[app]

    @hookimpl
    def register_export(self, app: App, export: Export) -> None:
        """Work out how requests for an export are served, if it is open to any."""
        if export.options.api:
            export.attachments[NAME] = Endpoint(self._transports[app], export)

    @hookimpl
    def asgi_routes(self, app: App) -> Sequence[Route]:
        """Serve `/api` and `/sse`, and the pages that describe them."""
        transport = self._transports[app]
        return [
            Route(kind="http", prefix="/api", asgi=transport.api),
            Route(kind="http", prefix="/sse", asgi=transport.sse),
            *site_routes(app, app.settings(NAME)),
        ]


plugin = HttpPlugin()

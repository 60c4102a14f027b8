"""The hooks of this plugin: start reading here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import anyio

from pegboard import hookimpl
from pegboard.contracts.asgi import AsgiCallable, Route
from pegboard_transport_http._cors import Cors
from pegboard_transport_http._endpoint import NAME, Endpoint
from pegboard_transport_http._interception import Interception
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
        """Follow the table of exports, and end the streams when the app stops."""
        transport = HttpTransport(app, app.settings(NAME))
        self._transports[app] = transport
        unsubscribe = app.registry.subscribe(transport.update)

        async def end_streams() -> None:
            await app.stopping.wait()
            transport.end_streams()

        try:
            async with anyio.create_task_group() as group:
                group.start_soon(end_streams, name="end of streams")
                yield
                group.cancel_scope.cancel()
        finally:
            unsubscribe()
            transport.close()
            del self._transports[app]

    @hookimpl
    def sessions_changed(self, app: App, subjects: Collection[str]) -> None:
        """End the event streams of these sessions; their clients come back, and are asked again."""
        self._transports[app].end_streams(subjects)

    @hookimpl
    def register_export(self, app: App, export: Export) -> None:
        """Work out how requests for an export are served, if it is open to any."""
        if export.options.api:
            export.attachments[NAME] = Endpoint(self._transports[app], export)

    @hookimpl
    def asgi_routes(self, app: App) -> Sequence[Route]:
        """Serve `/api` and `/sse`, and the pages that describe them."""
        transport = self._transports[app]
        routes = [
            Route(kind="http", prefix="/api", asgi=transport.api, find=transport.find_api),
            Route(kind="http", prefix="/sse", asgi=transport.sse),
            *site_routes(app, transport.settings, transport.stall),
        ]
        if app.request_hooks:
            interception = Interception(transport)
            routes = [_with(each, interception.wrap(each.asgi)) for each in routes]
        cors = Cors(transport.settings)
        if cors.is_on:
            routes = [_with(each, cors.wrap(each.asgi)) for each in routes]
        return routes


def _with(route: Route, asgi: AsgiCallable) -> Route:
    return Route(kind=route.kind, prefix=route.prefix, asgi=asgi)


plugin = HttpPlugin()

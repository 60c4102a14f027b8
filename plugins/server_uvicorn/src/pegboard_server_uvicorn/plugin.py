"""The hooks of this plugin: start reading here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pegboard import hookimpl
from pegboard_server_uvicorn._server import UvicornServer
from pegboard_server_uvicorn.config import UvicornConfig

if TYPE_CHECKING:
    from pegboard import App
    from pegboard.contracts.server import ServeSettings

__all__ = ["plugin"]


class UvicornPlugin:
    """Offers the server `uvicorn`."""

    @hookimpl
    def config_schema(self) -> type[UvicornConfig]:
        """Name the settings of `[plugins.server_uvicorn]`."""
        return UvicornConfig

    @hookimpl
    def serve(self, app: App, settings: ServeSettings) -> UvicornServer:
        """Offer the server; uvicorn itself is imported when it serves."""
        del settings
        return UvicornServer(app.settings("server_uvicorn"))


plugin = UvicornPlugin()

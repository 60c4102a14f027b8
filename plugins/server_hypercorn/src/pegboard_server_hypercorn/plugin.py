"""The hooks of this plugin: start reading here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pegboard import hookimpl
from pegboard_server_hypercorn._server import HypercornServer
from pegboard_server_hypercorn.config import HypercornConfig

if TYPE_CHECKING:
    from pegboard import App
    from pegboard.contracts.server import ServeSettings

__all__ = ["plugin"]


class HypercornPlugin:
    """Offers the server `hypercorn`."""

    @hookimpl
    def config_schema(self) -> type[HypercornConfig]:
        """Name the settings of `[plugins.server_hypercorn]`."""
        return HypercornConfig

    @hookimpl
    def serve(self, app: App, settings: ServeSettings) -> HypercornServer:
        """Offer the server; Hypercorn itself is imported when it serves."""
        del settings
        return HypercornServer(app.settings("server_hypercorn"))


plugin = HypercornPlugin()

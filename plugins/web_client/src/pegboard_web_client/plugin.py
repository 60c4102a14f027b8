"""The hooks of this plugin: start reading here."""

from __future__ import annotations

from pegboard import hookimpl
from pegboard_web_client.config import WebClientConfig

__all__ = ["plugin"]


class WebClientPlugin:
    """pegboard.js: calls, streams, sockets, events and state for web pages."""

    @hookimpl
    def config_schema(self) -> type[WebClientConfig]:
        """Name the settings of `[plugins.web_client]`."""
        return WebClientConfig


plugin = WebClientPlugin()

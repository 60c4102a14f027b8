"""The hooks of this plugin: start reading here."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pegboard import hookimpl
from pegboard.contracts.asgi import Route
from pegboard_web_client._asset import PREFIX
from pegboard_web_client._site import serve_client
from pegboard_web_client.config import WebClientConfig

if TYPE_CHECKING:
    import click

    from pegboard import App

__all__ = ["plugin"]


class WebClientPlugin:
    """Serves pegboard.js."""

    @hookimpl
    def config_schema(self) -> type[WebClientConfig]:
        """Name the settings of `[plugins.web_client]`."""
        return WebClientConfig

    @hookimpl
    def asgi_routes(self, app: App) -> list[Route]:
        """Serve `/pegboard/pegboard.js`, and the same under an address that never changes."""
        return [Route(kind="http", prefix=PREFIX, asgi=partial(serve_client, app))]

    @hookimpl
    def cli_commands(self) -> list[click.Command]:
        """Add `pegboard client`."""
        from pegboard_web_client._command import client

        return [client]


plugin = WebClientPlugin()

"""The hooks of this plugin: start reading here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from pegboard import Connection, HealthCheck, Page, Session, hookimpl
from pegboard.contracts.asgi import Route
from pegboard.contracts.call import Layer
from pegboard.contracts.server import ServeSettings
from pegboard_auth._limit import RateOptions, rate_layer
from pegboard_auth._reception import Reception
from pegboard_auth._site import PREFIXES, Site
from pegboard_auth._welcome import announce
from pegboard_auth.config import AuthConfig

if TYPE_CHECKING:
    import click

    from pegboard import App, Export

__all__ = ["plugin"]

NAME = "auth"


class AuthPlugin:
    """Accounts, sessions, tokens and API keys: says who asks, and keeps the others out."""

    def __init__(self) -> None:
        self._receptions: dict[App, Reception] = {}

    @hookimpl
    def config_schema(self) -> type[AuthConfig]:
        """Name the settings of `[plugins.auth]`."""
        return AuthConfig

    @hookimpl
    def export_options(self) -> type[RateOptions]:
        """Name the keyword `rate_limit`."""
        return RateOptions

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, app: App) -> AsyncIterator[None]:
        """Open the accounts, provide `Accounts`, follow what other workers change."""
        async with Reception.opened(app, app.settings(NAME)) as reception:
            self._receptions[app] = reception
            try:
                yield
            finally:
                del self._receptions[app]

    @hookimpl
    def hand_over(self, app: App, previous: AuthPlugin) -> None:
        """Follow the changes from where the code that is replaced has read them."""
        self._receptions[app].follow_from(previous._receptions[app])

    @hookimpl
    def register_export(self, app: App, export: Export) -> Layer | None:
        """Hold the callers of an export to its `rate_limit`."""
        return rate_layer(export)

    @hookimpl
    def load_session(self, app: App, connection: Connection) -> Awaitable[Session | None] | None:
        """Say who asks: by API key, bearer token or cookie."""
        return self._receptions[app].identity.identify(connection)

    @hookimpl
    def session_headers(self) -> Collection[str]:
        """Name where API keys, tokens and cookies stand."""
        return ("x-api-key", "authorization", "cookie")

    @hookimpl
    def asgi_routes(self, app: App) -> Sequence[Route]:
        """Serve `/auth` and the documented addresses of sessions."""
        site = Site(self._receptions[app])
        return [Route(kind="http", prefix=prefix, asgi=site) for prefix in PREFIXES]

    @hookimpl
    def serve(self, app: App, settings: ServeSettings) -> None:
        """Offer no server, but tell in the terminal how to become the first administrator."""
        app.spawn(announce, self._receptions[app], settings, name="first administrator")

    @hookimpl
    def cli_commands(self) -> Sequence[click.Command]:
        """Add `pegboard users`."""
        from pegboard_auth._command import users

        return [users]

    @hookimpl
    def health(self, app: App) -> Sequence[HealthCheck]:
        """Say whether the accounts can be read."""
        return self._receptions[app].checks()

    @hookimpl
    def pages(self, app: App) -> Sequence[Page]:
        """Name the page of one's own account."""
        summary = "Sign in, sessions, API keys; users, for administrators."
        return [Page(title="Account", path="/auth/account", summary=summary)]


plugin = AuthPlugin()

"""The hooks of this plugin: start reading here."""

from __future__ import annotations

from pegboard import hookimpl
from pegboard_auth.config import AuthConfig

__all__ = ["plugin"]


class AuthPlugin:
    """Accounts, sessions, tokens and API keys: says who asks, and keeps the others out."""

    @hookimpl
    def config_schema(self) -> type[AuthConfig]:
        """Name the settings of `[plugins.auth]`."""
        return AuthConfig


plugin = AuthPlugin()

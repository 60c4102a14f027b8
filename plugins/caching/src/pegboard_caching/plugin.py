"""The hooks of this plugin: start reading here."""

from __future__ import annotations

from pegboard import hookimpl
from pegboard_caching.config import CachingConfig

__all__ = ["plugin"]


class CachingPlugin:
    """Caches the answers of exports in memory and on disk."""

    @hookimpl
    def config_schema(self) -> type[CachingConfig]:
        """Name the settings of `[plugins.caching]`."""
        return CachingConfig


plugin = CachingPlugin()

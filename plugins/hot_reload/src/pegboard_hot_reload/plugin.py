"""The hooks of this plugin: start reading here."""

from __future__ import annotations

from pegboard import hookimpl
from pegboard_hot_reload.config import HotReloadConfig

__all__ = ["plugin"]


class HotReloadPlugin:
    """Watches mods and plugins and brings their changes live while the app serves."""

    @hookimpl
    def config_schema(self) -> type[HotReloadConfig]:
        """Name the settings of `[plugins.hot_reload]`."""
        return HotReloadConfig


plugin = HotReloadPlugin()

"""The hooks of this plugin: start reading here."""

from __future__ import annotations

from pegboard import hookimpl
from pegboard_storage.config import StorageConfig

__all__ = ["plugin"]


class StoragePlugin:
    """Seven scopes of files for mods: who may read and write, encrypted where it matters."""

    @hookimpl
    def config_schema(self) -> type[StorageConfig]:
        """Name the settings of `[plugins.storage]`."""
        return StorageConfig


plugin = StoragePlugin()

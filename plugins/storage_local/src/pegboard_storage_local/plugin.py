"""The hooks of this plugin: start reading here."""

from __future__ import annotations

from pegboard import hookimpl
from pegboard_storage_local.config import StorageLocalConfig

__all__ = ["plugin"]


class StorageLocalPlugin:
    """Keeps the files of scopes on disk: durable, atomic, locked across processes."""

    @hookimpl
    def config_schema(self) -> type[StorageLocalConfig]:
        """Name the settings of `[plugins.storage_local]`."""
        return StorageLocalConfig


plugin = StorageLocalPlugin()

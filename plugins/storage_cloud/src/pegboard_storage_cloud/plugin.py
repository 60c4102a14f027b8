"""The hooks of this plugin: start reading here."""

from __future__ import annotations

from pegboard import hookimpl
from pegboard_storage_cloud.config import StorageCloudConfig

__all__ = ["plugin"]


class StorageCloudPlugin:
    """Keeps the files of scopes in S3-compatible services or Redis, with a durable outbox."""

    @hookimpl
    def config_schema(self) -> type[StorageCloudConfig]:
        """Name the settings of `[plugins.storage_cloud]`."""
        return StorageCloudConfig


plugin = StorageCloudPlugin()

"""The hooks of this plugin: start reading here."""

from __future__ import annotations

from pegboard import hookimpl
from pegboard_files.config import FilesConfig

__all__ = ["plugin"]


class FilesPlugin:
    """Files that are safe: atomic writes, checksums, versions and backups."""

    @hookimpl
    def config_schema(self) -> type[FilesConfig]:
        """Name the settings of `[plugins.files]`."""
        return FilesConfig


plugin = FilesPlugin()

"""The hooks of this plugin: start reading here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from anyio import to_thread

from pegboard import hookimpl
from pegboard_files._handler import AdvancedFileHandler
from pegboard_files.config import FilesConfig

if TYPE_CHECKING:
    import click

    from pegboard import App

__all__ = ["plugin"]


class FilesPlugin:
    """Files that are safe: atomic writes, checksums, versions and backups."""

    @hookimpl
    def config_schema(self) -> type[FilesConfig]:
        """Name the settings of `[plugins.files]`."""
        return FilesConfig

    @hookimpl
    def lifespan(self, app: App) -> AbstractAsyncContextManager[None]:
        """Provide an `AdvancedFileHandler` of the folder of the app."""
        return _serving(app)

    @hookimpl
    def cli_commands(self) -> Sequence[click.Command]:
        """Add `pegboard files` and `pegboard backup`."""
        from pegboard_files._backup_command import backup
        from pegboard_files._files_command import files

        return [files, backup]


@asynccontextmanager
async def _serving(app: App) -> AsyncIterator[None]:
    settings: FilesConfig = app.settings("files")
    handler = AdvancedFileHandler(app.data / settings.folder, lock_timeout=settings.lock_timeout)
    app.provide(AdvancedFileHandler, handler)
    try:
        yield
    finally:
        await to_thread.run_sync(handler.close)


plugin = FilesPlugin()

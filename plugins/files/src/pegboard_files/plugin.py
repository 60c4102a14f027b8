"""The hooks of this plugin: start reading here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote
from weakref import WeakKeyDictionary

from anyio import to_thread

from pegboard import hookimpl
from pegboard_files._handler import AdvancedFileHandler
from pegboard_files._versioned_store import VersionedStore
from pegboard_files.config import FilesConfig

if TYPE_CHECKING:
    import click

    from pegboard import App
    from pegboard.contracts.storage import FileKey, Store

__all__ = ["plugin"]


VERSIONED = "versioned"
"""Backend that keeps versions of what another backend keeps: `versioned:local`."""


class FilesPlugin:
    """Files that are safe: atomic writes, checksums, versions and backups."""

    def __init__(self) -> None:
        self._stores: WeakKeyDictionary[App, dict[str, VersionedStore]] = WeakKeyDictionary()

    @hookimpl
    def config_schema(self) -> type[FilesConfig]:
        """Name the settings of `[plugins.files]`."""
        return FilesConfig

    @hookimpl
    def lifespan(self, app: App) -> AbstractAsyncContextManager[None]:
        """Provide an `AdvancedFileHandler` of the folder of the app; close versions at the end."""
        return self._serving(app)

    @hookimpl
    def persist_file(self, app: App, file: FileKey | None, backend: str) -> Store | None:
        """Give the store of `versioned:NAME`: that of NAME, with versions of its files."""
        kind, _, inner = backend.partition(":")
        if kind != VERSIONED:
            return None
        stores = self._stores[app]
        if inner not in stores:
            store = app.hooks.first("persist_file", app=app, file=file, backend=inner)
            if store is None:
                return None
            name = quote(inner, safe="")
            stores[inner] = VersionedStore(store, app.data / "versions" / name)
        return stores[inner]

    @hookimpl
    def cli_commands(self) -> Sequence[click.Command]:
        """Add `pegboard files` and `pegboard backup`."""
        from pegboard_files._backup_command import backup
        from pegboard_files._files_command import files

        return [files, backup]

    @asynccontextmanager
    async def _serving(self, app: App) -> AsyncIterator[None]:
        settings: FilesConfig = app.settings("files")
        folder = app.data / settings.folder
        handler = AdvancedFileHandler(folder, lock_timeout=settings.lock_timeout)
        app.provide(AdvancedFileHandler, handler)
        self._stores[app] = {}
        try:
            yield
        finally:
            for store in self._stores.pop(app).values():
                await to_thread.run_sync(store.close)
            await to_thread.run_sync(handler.close)


plugin = FilesPlugin()

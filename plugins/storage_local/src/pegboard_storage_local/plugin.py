"""The hooks of this plugin: start reading here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from pegboard import hookimpl
from pegboard_storage_local._folders import Folders
from pegboard_storage_local.config import StorageLocalConfig

if TYPE_CHECKING:
    from pegboard import App
    from pegboard.contracts.storage import FileKey, Store

__all__ = ["plugin"]


class StorageLocalPlugin:
    """Keeps the files of scopes on disk: durable, atomic, locked across processes."""

    def __init__(self) -> None:
        self._folders: WeakKeyDictionary[App, Folders] = WeakKeyDictionary()

    @hookimpl
    def config_schema(self) -> type[StorageLocalConfig]:
        """Name the settings of `[plugins.storage_local]`."""
        return StorageLocalConfig

    @hookimpl
    def lifespan(self, app: App) -> AbstractAsyncContextManager[None]:
        """Keep the folders of the app while it runs."""
        return self._serving(app)

    @hookimpl
    def persist_file(self, app: App, file: FileKey | None, backend: str) -> Store | None:
        """Give the store of `local`, and of `local:` and another folder."""
        del file
        return self._folders[app].find(backend)

    @asynccontextmanager
    async def _serving(self, app: App) -> AsyncIterator[None]:
        settings: StorageLocalConfig = app.settings("storage_local")
        project = app.project or Path.cwd()
        self._folders[app] = Folders(app.data / settings.folder, settings, project=project)
        try:
            yield
        finally:
            del self._folders[app]


plugin = StorageLocalPlugin()

"""The hooks of this plugin: start reading here."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from anyio import to_thread

from pegboard import hookimpl
from pegboard.errors import UnavailableError
from pegboard_storage_local._folders import Folders
from pegboard_storage_local._store import LocalStore
from pegboard_storage_local.config import StorageLocalConfig

if TYPE_CHECKING:
    from pegboard import App
    from pegboard.contracts.storage import FileKey, Store

__all__ = ["plugin"]

_logger = logging.getLogger("pegboard.storage.local")


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
        """Open the folder; remove what writers that were killed have left there."""
        return self._serving(app)

    @hookimpl
    def persist_file(self, app: App, file: FileKey | None, backend: str) -> Store | None:
        """Give the store of `local`, and of `local:` and another folder."""
        del file
        return self._folders[app].find(backend)

    @asynccontextmanager
    async def _serving(self, app: App) -> AsyncIterator[None]:
        settings: StorageLocalConfig = app.settings("storage_local")
        folders = self._folders[app] = Folders(app.data / settings.folder, settings)
        app.spawn(_sweep, folders.main, name="storage_local: sweep")
        try:
            yield
        finally:
            del self._folders[app]


async def _sweep(store: LocalStore) -> None:
    try:
        count = await to_thread.run_sync(store.sweep)
    except UnavailableError as error:
        _logger.warning("%s", error)
    else:
        if count:
            _logger.info("removed %d files that writers which were killed have left", count)


plugin = StorageLocalPlugin()

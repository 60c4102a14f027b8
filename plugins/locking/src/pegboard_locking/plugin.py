"""The hooks of this plugin: start reading here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from anyio import to_thread

from pegboard import hookimpl
from pegboard_locking._app_lock import AppLocks
from pegboard_locking._folder import LockFolder
from pegboard_locking._layer import LockLayer
from pegboard_locking._option import LockOptions
from pegboard_locking.config import LockingConfig

if TYPE_CHECKING:
    from pegboard import App, Export
    from pegboard.contracts.call import Layer
    from pegboard.contracts.lock import LockProvider

__all__ = ["plugin"]


class LockingPlugin:
    """Locks that hold across threads and processes, and check-outs with leases."""

    def __init__(self) -> None:
        self._locks: WeakKeyDictionary[App, AppLocks] = WeakKeyDictionary()

    @hookimpl
    def config_schema(self) -> type[LockingConfig]:
        """Name the settings of `[plugins.locking]`."""
        return LockingConfig

    @hookimpl
    def export_options(self) -> type[LockOptions]:
        """Name `lock`, `lock_shared` and `lock_timeout`."""
        return LockOptions

    @hookimpl
    def lifespan(self, app: App) -> AbstractAsyncContextManager[None]:
        """Give `app.lock`; remove the files of locks that nobody uses any more."""
        return self._serving(app)

    @hookimpl
    def register_export(self, app: App, export: Export) -> Layer | None:
        """Hold a lock around the calls of an export that names one."""
        options = export.option(LockOptions)
        return LockLayer(export, options, self._locks[app]) if options.lock else None

    @hookimpl(trylast=True)
    def provide_lock(self, app: App) -> LockProvider:
        """Give the locks of this machine, unless another plugin has locks of several."""
        return self._locks[app].folder

    @asynccontextmanager
    async def _serving(self, app: App) -> AsyncIterator[None]:
        config: LockingConfig = app.settings("locking")
        folder = LockFolder(app.data / config.folder)
        locks = self._locks[app] = AppLocks(app, folder)
        app.extend("lock", locks.lock)
        app.spawn(to_thread.run_sync, folder.sweep, config.unused, name="sweep lock files")
        try:
            yield
        finally:
            del self._locks[app]
            folder.close()


plugin = LockingPlugin()

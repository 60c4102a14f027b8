"""The hooks of this plugin: start reading here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from pegboard import hookimpl
from pegboard_caching._caching import Caching
from pegboard_caching._option import CacheOptions
from pegboard_caching.config import CachingConfig

if TYPE_CHECKING:
    from pegboard import App, Export
    from pegboard.contracts.cache import Cache
    from pegboard.contracts.call import Layer

__all__ = ["plugin"]


class CachingPlugin:
    """Caches the answers of exports; one set of caches for each app that it is active in."""

    def __init__(self) -> None:
        self._caching: WeakKeyDictionary[App, Caching] = WeakKeyDictionary()

    @hookimpl
    def config_schema(self) -> type[CachingConfig]:
        """Name the settings of `[plugins.caching]`."""
        return CachingConfig

    @hookimpl
    def export_options(self) -> type[CacheOptions]:
        """Name `memory_cache`, `file_cache` and what goes with them."""
        return CacheOptions

    @hookimpl
    def lifespan(self, app: App) -> AbstractAsyncContextManager[None]:
        """Give the app `app.cache`; close the file at the end."""
        return self._running(app)

    @hookimpl
    def register_export(self, app: App, export: Export) -> Layer | None:
        """Wrap the exports that ask for a cache."""
        return self._caching[app].register(export)

    @hookimpl(trylast=True)
    def provide_cache(self, app: App) -> Cache | None:
        """Give the cache in the app's data folder, where no other plugin gives one."""
        return self._caching[app].store

    @asynccontextmanager
    async def _running(self, app: App) -> AsyncIterator[None]:
        caching = self._caching[app] = Caching(app, app.settings("caching"))
        try:
            app.extend("cache", caching)
            app.registry.subscribe(caching.exports_changed)
            yield
        finally:
            await caching.aclose()
            del self._caching[app]


plugin = CachingPlugin()

"""The hooks of this plugin: start reading here."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import anyio

from pegboard import HealthCheck, hookimpl
from pegboard.contracts.asgi import Route
from pegboard.contracts.server import ServeSettings
from pegboard_hot_reload._news import PREFIX, News
from pegboard_hot_reload.config import HotReloadConfig

if TYPE_CHECKING:
    from pegboard import App
    from pegboard.contracts.reload import Reloaded
    from pegboard_hot_reload._watcher import Watcher

__all__ = ["plugin"]


class HotReloadPlugin:
    """Watches mods and plugins and brings their changes live while the app serves."""

    def __init__(self) -> None:
        self._watchers: WeakKeyDictionary[App, Watcher] = WeakKeyDictionary()
        self._news: WeakKeyDictionary[App, News] = WeakKeyDictionary()

    @hookimpl
    def config_schema(self) -> type[HotReloadConfig]:
        """Name the settings of `[plugins.hot_reload]`."""
        return HotReloadConfig

    @hookimpl
    @asynccontextmanager
    async def lifespan(self, app: App) -> AsyncIterator[None]:
        """Watch, if that is wanted, until the app stops."""
        config: HotReloadConfig = app.settings("hot_reload")
        serving = app.config.section("serve", ServeSettings)
        if not (serving.reload if config.watch is None else config.watch):
            yield
            return
        from pegboard_hot_reload._watcher import Watcher  # watchfiles, where somebody wants it

        watcher = self._watchers[app] = Watcher(app, config)
        self._news[app] = News(app)
        app.reloader.page_script = f"{PREFIX}/client.js"
        try:
            async with anyio.create_task_group() as group:
                await group.start(watcher.run, name="watching files")
                gc.freeze()  # what is there now need not be looked at after each reload
                yield
                watcher.close()
        finally:
            gc.unfreeze()
            watcher.close()
            app.reloader.page_script = ""
            del self._watchers[app], self._news[app]

    @hookimpl
    def reloaded(self, app: App, outcome: Reloaded) -> None:
        """Tell pages of it, and let the old code be collected: that of a plugin may be frozen."""
        if app in self._watchers:
            self._news[app].tell(outcome)
            if outcome.kind == "plugin":
                gc.unfreeze()

    @hookimpl
    def asgi_routes(self, app: App) -> Sequence[Route]:
        """Tell pages in development what became of a change, while files are watched."""
        if app not in self._watchers:
            return ()
        return [Route(kind="http", prefix=PREFIX, asgi=self._news[app].serve)]

    @hookimpl
    def health(self, app: App) -> Sequence[HealthCheck]:
        """Say whether files are watched, where they should be."""
        watcher = self._watchers.get(app)
        if watcher is None:
            return ()
        detail = watcher.problem or f"begun anew {watcher.restarts} times"
        return [HealthCheck(name="watching files", ok=not watcher.problem, detail=detail)]


plugin = HotReloadPlugin()

"""The hooks of this plugin: start reading here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from pegboard import hookimpl
from pegboard_storage._service import Storage
from pegboard_storage._user import get_current_context, set_current_context
from pegboard_storage.config import StorageConfig

if TYPE_CHECKING:
    import click

    from pegboard import App
    from pegboard.contracts.storage import FileKey, Store

__all__ = ["plugin"]


class StoragePlugin:
    """Seven scopes of files for mods: who may read and write, encrypted where it matters."""

    @hookimpl
    def config_schema(self) -> type[StorageConfig]:
        """Name the settings of `[plugins.storage]`."""
        return StorageConfig

    @hookimpl
    def lifespan(self, app: App) -> AbstractAsyncContextManager[None]:
        """Provide `Storage`, `app.set_ctx` and `app.get_ctx`."""
        return _serving(app)

    @hookimpl
    def cli_commands(self) -> Sequence[click.Command]:
        """Add `pegboard storage`."""
        from pegboard_storage._command import storage

        return [storage]


@asynccontextmanager
async def _serving(app: App) -> AsyncIterator[None]:
    app.provide(Storage, Storage(app.settings("storage"), app.data, partial(_ask, app)))
    app.extend("set_ctx", set_current_context)
    app.extend("get_ctx", get_current_context)
    yield


def _ask(app: App, file: FileKey | None, backend: str) -> Store | None:
    store: Store | None = app.hooks.first("persist_file", app=app, file=file, backend=backend)
    return store


plugin = StoragePlugin()

"""The hooks of this plugin: start reading here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import anyio
from anyio import to_thread

from pegboard import hookimpl
from pegboard_storage_cloud.config import StorageCloudConfig

if TYPE_CHECKING:
    import click

    from pegboard import App, HealthCheck
    from pegboard.contracts.storage import FileKey, Store
    from pegboard_storage_cloud._services import Services

__all__ = ["plugin"]

BACKENDS = frozenset({"cloud", "redis", "s3"})


class StorageCloudPlugin:
    """Keeps the files of scopes in S3-compatible services or Redis, with a durable outbox."""

    def __init__(self) -> None:
        self._services: WeakKeyDictionary[App, Services] = WeakKeyDictionary()

    @hookimpl
    def config_schema(self) -> type[StorageCloudConfig]:
        """Name the settings of `[plugins.storage_cloud]`."""
        return StorageCloudConfig

    @hookimpl
    def lifespan(self, app: App) -> AbstractAsyncContextManager[None]:
        """Open the services that are configured; send what waits for them."""
        return self._serving(app)

    @hookimpl
    def persist_file(self, app: App, file: FileKey | None, backend: str) -> Store | None:
        """Give the stores `s3` and `redis`, and one of them as `cloud`."""
        return self._services[app].store(backend) if backend in BACKENDS else None

    @hookimpl
    def cli_commands(self) -> Sequence[click.Command]:
        """Add `pegboard outbox`."""
        from pegboard_storage_cloud._command import outbox

        return [outbox]

    @hookimpl
    def health(self, app: App) -> Sequence[HealthCheck]:
        """Say which service is away, how much waits for it, and whether there are conflicts.

        An app for one command, such as that of `pegboard doctor`, has seen nothing yet: it asks.
        """
        return self._services[app].checks(ask=app.brief)

    @asynccontextmanager
    async def _serving(self, app: App) -> AsyncIterator[None]:
        from pegboard_storage_cloud._services import Services

        services = Services(app.settings("storage_cloud"), app.data)
        await to_thread.run_sync(services.open)
        self._services[app] = services
        app.provide(Services, services)
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(services.deliver)
                yield
                group.cancel_scope.cancel()
        finally:
            del self._services[app]
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(services.close)


plugin = StorageCloudPlugin()

"""The hooks of this plugin: start reading here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from pegboard import App, HealthCheck, RequestData, Result, hookimpl
from pegboard.errors import UnavailableError

from pegboard_maintenance._switch import Switch
from pegboard_maintenance.config import Settings

if TYPE_CHECKING:
    import click

__all__ = ["plugin"]


class MaintenancePlugin:
    """Refuses requests while maintenance is on, in each app that it is active in."""

    def __init__(self) -> None:
        self._switches: WeakKeyDictionary[App, Switch] = WeakKeyDictionary()

    @hookimpl
    def config_schema(self) -> type[Settings]:
        """Name the settings of `[plugins.maintenance]`."""
        return Settings

    @hookimpl
    def lifespan(self, app: App) -> AbstractAsyncContextManager[None]:
        """Look after the switch of an app for as long as it runs."""
        return self._watching(app)

    @hookimpl
    def handle_request(self, app: App, request: RequestData) -> Awaitable[Result[None]] | None:
        """Refuse a request while maintenance is on."""
        notice = self._switches[app].notice()
        settings: Settings = app.settings("maintenance")
        if notice is None or _is_allowed(request, settings):
            return None
        message = notice.message or settings.message
        raise UnavailableError(message, retry_after=settings.retry_after)

    @hookimpl
    def cli_commands(self) -> list[click.Command]:
        """Add `pegboard maintenance`."""
        from pegboard_maintenance._command import maintenance  # noqa: PLC0415 - needs click

        return [maintenance]

    @hookimpl
    def health(self, app: App) -> list[HealthCheck]:
        """Tell whether maintenance is on."""
        notice = self._switches[app].notice()
        detail = "off" if notice is None else f"on since {notice.since.isoformat()}"
        return [HealthCheck(name="maintenance", ok=True, detail=detail)]

    @asynccontextmanager
    async def _watching(self, app: App) -> AsyncIterator[None]:
        settings: Settings = app.settings("maintenance")
        self._switches[app] = Switch(app.data, settings.interval)
        try:
            yield
        finally:
            del self._switches[app]


def _is_allowed(request: RequestData, settings: Settings) -> bool:
    if request.session.level >= settings.level:
        return True
    paths = (path.rstrip("/") for path in settings.allow)
    return any(request.path == path or request.path.startswith(f"{path}/") for path in paths)


plugin = MaintenancePlugin()

"""Every hook, in the order of a plugin's life: Pegboard's table of contents.

A hook decides *who* does something, once; the work then goes through the object that it
answered with. Implement the ones you need as methods of your plugin object, marked with
`pegboard.hookimpl`; an implementation may take fewer arguments than the declaration. It cannot be a
wrapper: `wrapper=True` fails the plugin. What wraps calls is the answer of `register_export`.

Where nothing else is said: the kernel calls a hook on the event loop, asks plugins in the order of
their requirements, and contains an implementation that raises (it is reported with the plugin's
name and everyone else is asked). *firstresult* hooks stop at the first answer that is not None.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import msgspec
import pluggy

if TYPE_CHECKING:
    import click

    from pegboard._app import App
    from pegboard._export import Export
    from pegboard._request import RequestData, Session
    from pegboard._result import Result
    from pegboard.contracts.asgi import Route
    from pegboard.contracts.bus import Bus
    from pegboard.contracts.cache import Cache
    from pegboard.contracts.call import Layer
    from pegboard.contracts.job import JobStore
    from pegboard.contracts.lock import LockProvider
    from pegboard.contracts.page import HealthCheck, Page
    from pegboard.contracts.reload import Reloaded
    from pegboard.contracts.server import Server, ServeSettings
    from pegboard.contracts.session import Connection
    from pegboard.contracts.storage import FileKey, Store

__all__ = ["API_VERSION", "Hooks"]

API_VERSION = 1
"""Version of these declarations; a plugin names the one it was written for in `plugin.toml`."""

_hookspec = pluggy.HookspecMarker("pegboard")


class Hooks:
    """The declarations that pluggy validates implementations against."""

    @_hookspec
    def config_schema(self) -> type[msgspec.Struct] | None:
        """Name the Struct that the plugin's section `[plugins.NAME]` is read into.

        Called before activation, of the plugin alone; a raise or a section that does not fit
        fails the plugin. Since API 1.
        """

    @_hookspec
    def export_options(self) -> type[msgspec.Struct] | None:
        """Name the Struct whose fields are the `@export` keywords that this plugin understands.

        Called when the plugin is activated, before mods load. Each field needs a default. Two
        plugins that claim one keyword fail the second one. Since API 1.
        """

    @_hookspec
    def lifespan(self, app: App) -> AbstractAsyncContextManager[None] | None:
        """Open what the plugin needs while it is active.

        Entered at activation in the order of requirements, left in reverse, always in the same
        task. A raise on entering fails the plugin, and whatever requires it. Since API 1.
        """

    @_hookspec
    def hand_over(self, app: App, previous: object) -> Callable[[], None] | None:
        """Take over from the plugin object whose code is being replaced.

        Called on the new object alone, once both are active and everything is ready for the new
        one to serve, in the moment of the change: it has to be quick and cannot wait. A raise
        rejects the new code, so `previous` may only be read here. What takes something away from
        it is returned as a function, which is called once nothing can be rejected any more; what
        that raises is logged. What is taken should be plain data, or what keeps it open keeps the
        old code alive. Since API 1.
        """

    @_hookspec
    def register_export(self, app: App, export: Export) -> Layer | None:
        """Wrap an export, or look at it and answer None.

        Called once for each export, while its mod is loaded and before anyone can call it. A raise
        fails the mod that is being loaded. What the plugin works out for the export it keeps in
        `export.attachments`; if its layer answers in place of the function, it says with what in
        `export.answer_type`. Since API 1.
        """

    @_hookspec
    def reloaded(self, app: App, outcome: Reloaded) -> None:
        """Hear what became of a mod or plugin that has changed while the app runs.

        Called once for each, after the new code serves or was rejected; a rejection that is the
        same as the one before is not told again. Answers are of no matter. Since API 1.
        """

    @_hookspec
    def load_session(self, app: App, connection: Connection) -> Awaitable[Session] | None:
        """Say who asks (firstresult).

        Called for each request and handshake from outside; None leaves the question to the next
        plugin, and to nobody means anonymous. A raise denies the request. Since API 1.
        """

    @_hookspec
    def session_headers(self) -> Collection[str] | None:
        """Name the request headers that `load_session` of this plugin looks for.

        Called when plugins have changed. Where each plugin that answers `load_session` names them,
        a request that has none of them is nobody's, and costs no question. A plugin that knows who
        asks by something else, such as the address or a certificate of the client, does not
        implement this. A raise counts as no answer. Since API 1.
        """

    @_hookspec
    def sessions_changed(self, app: App, subjects: Collection[str]) -> None:
        """End what is open for sessions that have ended, or are not what they were.

        Called in each process by the plugin that answers `load_session`, soon after accounts or
        sessions were changed anywhere, with the `user_id` or `session_id` of each. For transports
        that keep connections open: the client may come back, and is asked again who it is. A raise
        is reported, and everyone else is told. Since API 1.
        """

    @_hookspec
    def handle_request(
        self, app: App, request: RequestData
    ) -> Awaitable[Result[Any] | None] | None:
        """Answer a request in place of the export it is for (firstresult).

        Called per request, before routing to an export, only while some plugin implements it:
        maintenance mode, proxying, canary. The awaited answer may be None as well. A raise
        answers the request with an error. Since API 1.
        """

    @_hookspec
    def persist_file(self, app: App, file: FileKey | None, backend: str) -> Store | None:
        """Name the store of a backend for a file (firstresult).

        For plugins that offer files to mods: they ask, through `app.hooks.first`, when the first
        file of a scope and mod is opened, and keep the answer. `backend` is `local`, `cloud`, or
        the name of one store (`s3`, `redis`, a third party's); a plugin answers only for those that
        are its own. `file` is None when all files of the backend are meant: to list, to copy, to
        verify. A raise refuses the file. Since API 1.
        """

    @_hookspec
    def track_job(self, app: App, project: str) -> JobStore | None:
        """Name the store for the jobs of a project (firstresult).

        For plugins that run jobs: they ask, through `app.hooks.first`, when the first job of a
        project is opened, and keep the answer. A raise refuses the job. Since API 1.
        """

    @_hookspec
    def provide_lock(self, app: App) -> LockProvider | None:
        """Give the locks of this app (firstresult).

        For plugins that offer locks to mods: they ask, through `app.hooks.first`, at first use,
        and keep the answer. A raise refuses that use. Since API 1.
        """

    @_hookspec
    def provide_cache(self, app: App) -> Cache | None:
        """Give the cache of this app (firstresult).

        For plugins that offer caching to mods: they ask, through `app.hooks.first`, at first use,
        and keep the answer. A raise refuses that use. Since API 1.
        """

    @_hookspec
    def provide_bus(self, app: App) -> Bus | None:
        """Give the message bus of this app (firstresult).

        For plugins that offer messages to mods: they ask, through `app.hooks.first`, at first use,
        and keep the answer. A raise refuses that use. Since API 1.
        """

    @_hookspec
    def asgi_routes(self, app: App) -> Sequence[Route] | None:
        """Serve a part of the address space.

        Called when the app starts, once all plugins are active. Two plugins with the same prefix
        are an error that names both. Since API 1.
        """

    @_hookspec
    def serve(self, app: App, settings: ServeSettings) -> Server | None:
        """Offer a server. All are asked; `settings.server` or the highest rank decides.

        Called by `pegboard serve` when the app has started, in each worker process if there are
        several, and by `pegboard doctor`. Since API 1.
        """

    @_hookspec
    def cli_commands(self) -> Sequence[click.Command] | None:
        """Add commands to `pegboard`.

        Called when the command line starts; no app exists then: a command makes its own. A raise
        leaves the command out and is reported. Since API 1.
        """

    @_hookspec
    def health(self, app: App) -> Sequence[HealthCheck] | None:
        """Answer checks for `/health` and `pegboard doctor`.

        Called each time somebody asks, at most once a second. A raise is an unhealthy check.
        Since API 1.
        """

    @_hookspec
    def pages(self, app: App) -> Sequence[Page] | None:
        """Name web pages for the index page. Called each time it is drawn. Since API 1."""

"""What `pegboard serve` does in the process that answers requests.

Bind, start the app, let the best server run it, and end in order when a signal comes.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from pegboard._app import App
from pegboard._catalogue import OFFICIAL_PLUGINS, missing_plugin
from pegboard._config import AppSettings, load_config
from pegboard._discovery import find_plugins
from pegboard._serving.advice import advice, misconfigured
from pegboard._serving.control import controlled
from pegboard._serving.deadline import Deadline
from pegboard._serving.listen import listen, url_of
from pegboard._serving.log import LogFormat, configure
from pegboard._serving.style import Style
from pegboard._serving.succession import ByChild
from pegboard.contracts.server import ServeSettings
from pegboard.errors import ConfigError, MissingPluginError, PegboardError

if TYPE_CHECKING:
    from pegboard._serving.succession import Succession
    from pegboard.contracts.server import Server

__all__ = ["ServeRequest", "announcement", "choose_server", "run_app", "serve"]

KNOWN_SERVERS = ("hypercorn", "uvicorn")
"""Servers whose plugin is `pegboard-server-` and their name."""

STOP_GRACE = 25.0
"""Seconds that the app gets, beyond the shutdown timeout, to run exit functions and lifespans."""

HASTE_GRACE = 3.0
"""The same after a second signal, when nobody wants to wait."""

_DISTRIBUTION = "pegboard-server-"

_logger = logging.getLogger("pegboard.serve")


class ServeRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line was asked for; it is sent to workers as it is.

    Attributes:
        project: The project's folder, or None.
        config: Nested settings that win over all others.
        dev: Whether clients see tracebacks; None leaves it to the settings.
        mods: Names of the mods to load; None takes all that are found.
        log_format: For people or for machines.
    """

    project: str | None = None
    config: dict[str, Any] = {}
    dev: bool | None = None
    mods: list[str] | None = None
    log_format: LogFormat = "text"

    def read_settings(self) -> tuple[AppSettings, ServeSettings]:
        """Read the settings before there is an app, and set up the log.

        Raises:
            ConfigError: If a setting is wrong.
        """
        project = None if self.project is None else Path(self.project)
        config = load_config(project, overrides=self.config)
        app, settings = config.section("app", AppSettings), config.section("serve", ServeSettings)
        if (settings.certfile is None) != (settings.keyfile is None):
            msg = "TLS needs both: --certfile with the certificate chain, --keyfile with its key"
            raise ConfigError(msg)
        configure(self.log_format, app.log_level)
        return app, settings

    def make_app(self, name: str) -> App:
        """Return the app that is to be served, not started."""
        return App(name, project=self.project, config=self.config, dev=self.dev, mods=self.mods)


def serve(request: ServeRequest) -> int:
    """Serve until a signal comes; return the exit status of the process.

    Raises:
        ConfigError: If a setting is wrong or the port cannot be had.
        PegboardError: If the app or the server cannot be started.
    """
    _, settings = request.read_settings()
    sockets = _listening(settings)
    try:
        if settings.workers > 1:
            from pegboard._serving.workers import supervise

            return supervise(request, settings, sockets)
        if sys.platform == "win32":  # which does not hand sockets to children
            return run_app(request, sockets)
        succession = ByChild(request, sockets)
        run_app(request, sockets, succession=succession)
        return succession.follow(settings)
    finally:
        for each in sockets:
            each.close()


def _listening(settings: ServeSettings) -> list[socket.socket]:
    """Bind; who has no server is told that first, as a free port would not help."""
    try:
        return listen(settings.host, settings.port)
    except ConfigError:
        names = {each.name for each in find_plugins()}
        if not any(name.startswith("server_") for name in names) and names <= OFFICIAL_PLUGINS:
            raise _no_server() from None
        raise


def run_app(
    request: ServeRequest,
    sockets: Sequence[socket.socket],
    *,
    started: Callable[[App, Server], None] | None = None,
    parent: int | None = None,
    succession: Succession | None = None,
) -> int:
    """Serve in this process on sockets that are bound; return the exit status.

    Args:
        request: What was asked for.
        sockets: Listening sockets; they stay open.
        started: Called once requests are accepted; without it the banner is shown.
        parent: Descriptor that becomes readable when the parent process has gone, which is taken
            as a signal to stop.
        succession: Finds the process that takes over, where one is asked for.

    Raises:
        PegboardError: If the app or the server cannot be started.
    """
    app, settings = request.read_settings()
    process = _Process(
        request.make_app(app.name),
        settings,
        [each.fileno() for each in sockets],
        started=started or announcement(request, settings, sockets),
        parent=parent,
        succession=succession,
    )
    uses_uvloop = settings.backend == "asyncio" and _has_uvloop()
    try:
        anyio.run(
            process.run,
            backend=settings.backend,
            backend_options={"use_uvloop": True} if uses_uvloop else {},
        )
    finally:
        process.withdraw_deadlines()
    return 0


def announcement(
    request: ServeRequest, settings: ServeSettings, sockets: Sequence[socket.socket]
) -> Callable[[App, Server], None]:
    """Return a function that says where the app is served: to people, or as a line of the log."""

    def announce(app: App, server: Server) -> None:
        for each in advice(app):
            _logger.warning("%s", each)
        urls = [url_of(each, is_secure=settings.certfile is not None) for each in sockets]
        if request.log_format == "json":
            _logger.info("serving", extra={"urls": urls, "server": server.name})
            return
        from pegboard._serving.banner import banner

        runs_on = "uvloop" if settings.backend == "asyncio" and _has_uvloop() else settings.backend
        workers = f", {settings.workers} workers" if settings.workers > 1 else ""
        text = banner(app, urls, f"{server.name} on {runs_on}{workers}", style=Style.of(sys.stdout))
        print(text, flush=True)  # noqa: T201 - this is the command's output
        if not settings.host.startswith(("127.", "localhost", "::1")):
            _logger.warning("other machines can reach this server (host %s)", settings.host)

    return announce


def choose_server(app: App, settings: ServeSettings) -> Server:
    """Return the server that does what the settings ask for, the fastest of them.

    Raises:
        MissingPluginError: If none is installed, or not the one that is asked for.
        ConfigError: If the one that is asked for is unknown, not active, or cannot do what is
            asked of it.
    """
    everyone: list[Server] = [
        server for _, server in app.hooks.all("serve", app=app, settings=settings)
    ]
    offered = [each for each in everyone if settings.server in ("auto", each.name)]
    if not offered:
        raise _not_offered(app, settings.server, [each.name for each in everyone])
    able = [server for server in offered if settings.needs <= server.features]
    if not able:
        lacks = ", ".join(sorted(settings.needs - offered[0].features))
        names = " and ".join(server.name for server in offered)
        other = next((each for each in everyone if settings.needs <= each.features), None)
        step = f"take --server {other.name}" if other else f"pip install {_DISTRIBUTION}hypercorn"
        raise ConfigError(f"{names} cannot do {lacks}: {step}")
    return max(able, key=lambda server: server.rank)


def _not_offered(app: App, name: str, offered: Sequence[str]) -> PegboardError:
    """Return the error that says why there is no such server, and what to do."""
    if name not in ("auto", *KNOWN_SERVERS):
        known = ", ".join(sorted({*KNOWN_SERVERS, *offered}))
        return ConfigError(f"there is no server {name!r}; known: {known}")
    for plugin, status in app.plugins.status.items():
        wanted = f"server_{name}" if name != "auto" else "server_"
        if plugin.startswith(wanted) and status.state != "active":
            return ConfigError(f"plugin {plugin} is {status.state}: {status.reason}")
    if name == "auto":
        return _no_server()
    return MissingPluginError(f"--server {name}", f"{_DISTRIBUTION}{name}")


def _no_server() -> MissingPluginError:
    return MissingPluginError("pegboard serve", f"{_DISTRIBUTION}uvicorn")


def _refuse_misconfigured(app: App) -> None:
    """Refuse to serve without a plugin whose settings are wrong: that is seen at once.

    Raises:
        ConfigError: If there is one.
    """
    for each in misconfigured(app):
        raise ConfigError(each)


class _Process:
    """One app on one server, from its start to its end."""

    def __init__(
        self,
        app: App,
        settings: ServeSettings,
        sockets: list[int],
        *,
        started: Callable[[App, Server], None],
        parent: int | None,
        succession: Succession | None,
    ) -> None:
        self._app = app
        self._succession = succession
        self._is_handing_over = False
        self._settings = settings
        self._sockets = sockets
        self._started = started
        self._parent = parent
        self._signals = 0
        self._deadlines: list[Deadline] = []

    def withdraw_deadlines(self) -> None:
        """Let the process live: it has ended what it had to."""
        for each in self._deadlines:
            each.withdraw()

    async def run(self) -> None:
        self._serving = anyio.CancelScope()
        with _signals() as received:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._obey, received)
                if self._parent is not None:
                    tasks.start_soon(self._follow, self._parent)
                try:
                    with self._serving:
                        async with self._app:
                            await self._serve()
                finally:
                    tasks.cancel_scope.cancel()
                    if self._succession is not None:
                        self._succession.leave()

    async def _serve(self) -> None:
        _refuse_misconfigured(self._app)
        if self._settings.reload and "hot_reload" not in self._app.plugins.active:
            raise missing_plugin("serve --reload", "hot_reload")
        server = choose_server(self._app, self._settings)
        if self._succession is not None:
            self._app.reloader.hand_over = self._begin_hand_over
        async with controlled(self._app):
            await server.serve(
                self._app.asgi(),
                self._settings,
                sockets=self._sockets,
                started=lambda: self._started(self._app, server),
                stop=self._app.stopping,
            )

    def _begin_hand_over(self) -> None:
        if not self._is_handing_over:
            self._is_handing_over = True
            self._app.spawn(self._hand_over)

    async def _hand_over(self) -> None:
        """Have another process take over, and stop if it does."""
        if self._succession is not None and await self._succession.hand_over():
            self._app.stopping.set()
        else:
            self._is_handing_over = False

    async def _obey(self, received: AsyncIterator[int]) -> None:
        async for number in received:
            self._stop(signal.Signals(number).name)

    async def _follow(self, parent: int) -> None:
        await anyio.wait_readable(parent)
        self._stop("end of the parent process")

    def _stop(self, reason: str) -> None:
        self._signals += 1
        if self._succession is not None:
            self._succession.stop()
        if self._signals == 1:
            _logger.info("stopping (%s); once more stops at once", reason)
            self._deadlines.append(Deadline(self._settings.shutdown_timeout + STOP_GRACE))
            if self._app.is_running:
                self._app.stopping.set()
            else:
                self._serving.cancel()
        elif self._signals == 2:
            _logger.warning("stopping at once (%s)", reason)
            self._deadlines.append(Deadline(HASTE_GRACE))
            self._serving.cancel()
        else:
            os._exit(1)


@contextmanager
def _signals() -> Iterator[AsyncIterator[int]]:
    if sys.platform == "win32":  # no loop can wait for signals there; Ctrl+C interrupts it
        yield _never()
        return
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as received:
        yield received


async def _never() -> AsyncIterator[int]:
    await anyio.sleep_forever()
    yield 0


def _has_uvloop() -> bool:
    return find_spec("uvloop") is not None

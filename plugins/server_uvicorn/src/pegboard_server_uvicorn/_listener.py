"""Listening sockets, open connections and how they end.

uvicorn's own `Server` waits for open streams without an end, polls ten times a second and takes the
signals of the process; its protocols need only a configuration and a shared state, which is what
they are given here.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from asyncio import base_events
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import anyio
from uvicorn.config import Config
from uvicorn.server import ServerState

from pegboard.errors import ConfigError
from pegboard_server_uvicorn._protocol import GuardedProtocol
from pegboard_server_uvicorn._websocket import PromptWebSocket

if TYPE_CHECKING:
    from pegboard.contracts.asgi import AsgiCallable
    from pegboard.contracts.server import ServeSettings
    from pegboard_server_uvicorn.config import UvicornConfig

__all__ = ["Listener"]

_TICK = 1.0
_POLL = 0.05
_DISCONNECT_GRACE = 0.2
_CANCEL_GRACE = 1.0

_logger = logging.getLogger("pegboard.server.uvicorn")


class Listener:
    """What one `serve` opens.

    Args:
        asgi: The application.
        settings: What every server is told.
        config: The settings of the plugin.

    Raises:
        ConfigError: If the certificate or its key cannot be read.
    """

    def __init__(self, asgi: AsgiCallable, settings: ServeSettings, config: UvicornConfig) -> None:
        self._config = _load(asgi, settings, config)
        self._head_timeout = settings.header_timeout
        self._state = ServerState()
        self._servers: list[base_events.Server] = []
        self._set_date()

    async def open(self, sockets: list[int]) -> None:
        """Start to accept connections on duplicates of the sockets."""
        loop = asyncio.get_running_loop()
        for descriptor in sockets:
            server = await loop.create_server(
                lambda: self._protocol(loop),
                sock=_duplicate(descriptor),
                backlog=self._config.backlog,
                ssl=self._config.ssl,
                ssl_handshake_timeout=self._head_timeout if self._config.ssl else None,
            )
            self._servers.append(server)

    async def run_until(self, stop: anyio.Event) -> None:
        """Keep the date and the deadlines until `stop` is set."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._tick)
            await stop.wait()
            tasks.cancel_scope.cancel()

    async def drain(self, timeout: float) -> None:
        """Accept no more, and wait for what is open to end, at most `timeout` seconds."""
        loop = asyncio.get_running_loop()
        self._close_servers()
        deadline = loop.time() + timeout
        while self._is_busy and (rest := deadline - loop.time()) > 0:
            # Each time again: a connection that was just being accepted is idle only now.
            self._close_idle()
            await _wait(self._state.tasks, min(_POLL, rest))

    async def cut(self) -> None:
        """End at once whatever is still open."""
        self._close_servers()
        if not self._is_busy:
            return
        _logger.warning(
            "cutting %d connections with %d running requests",
            len(self._state.connections),
            len(self._state.tasks),
        )
        log = logging.getLogger("uvicorn.error")
        log.addFilter(_is_not_cancellation)
        try:
            with anyio.CancelScope(shield=True):
                await self._abort()
        finally:
            log.removeFilter(_is_not_cancellation)

    @property
    def _is_busy(self) -> bool:
        return bool(self._state.connections or self._state.tasks)

    async def _abort(self) -> None:
        for connection in list(self._state.connections):
            connection.transport.abort()
        await _wait(self._state.tasks, _DISCONNECT_GRACE, all_of_them=True)
        for task in list(self._state.tasks):
            task.cancel()
        await _wait(self._state.tasks, _CANCEL_GRACE, all_of_them=True)
        if left := len(self._state.tasks):
            _logger.error("%d requests ignore that they are cancelled and are left behind", left)

    def _protocol(self, loop: asyncio.AbstractEventLoop) -> asyncio.Protocol:
        protocol: asyncio.Protocol = self._config.http_protocol_class(  # type: ignore[call-arg]  # the declared type has no constructor
            config=self._config, server_state=self._state, app_state={}, _loop=loop
        )
        return protocol

    async def _tick(self) -> None:
        while True:
            await anyio.sleep(_TICK)
            self._set_date()
            now = asyncio.get_running_loop().time()
            for connection in list(self._state.connections):
                if isinstance(connection, GuardedProtocol):
                    connection.check(now)

    def _set_date(self) -> None:
        date = formatdate(time.time(), usegmt=True).encode("ascii")
        self._state.default_headers = [(b"date", date)]

    def _close_servers(self) -> None:
        while self._servers:
            self._servers.pop().close()

    def _close_idle(self) -> None:
        now = asyncio.get_running_loop().time()
        for connection in list(self._state.connections):
            # An open WebSocket is told by the application, not closed from under it.
            if isinstance(connection, GuardedProtocol):
                connection.shutdown()
                connection.check(now)


def _load(asgi: AsgiCallable, settings: ServeSettings, config: UvicornConfig) -> Config:
    limits: dict[str, Any] = {
        "head_limit": config.head_limit,
        "head_timeout": settings.header_timeout,
        "send_timeout": settings.send_timeout,
        "log_requests": settings.access_log,
    }
    uvicorn = Config(
        asgi,
        http=type("ConfiguredProtocol", (GuardedProtocol,), limits),
        ws=type("ConfiguredWebSocket", (PromptWebSocket,), {"log_requests": settings.access_log}),
        ws_max_size=config.websocket_limit,
        ws_ping_interval=config.websocket_ping or None,
        ws_ping_timeout=config.websocket_pong,
        ws_per_message_deflate=config.websocket_deflate,
        interface="asgi3",
        lifespan="off",
        log_config=None,
        access_log=True,  # False would silence the logger of the whole process
        proxy_headers=False,
        server_header=False,
        backlog=config.backlog,
        timeout_keep_alive=config.keep_alive,
        ssl_certfile=settings.certfile,
        ssl_keyfile=settings.keyfile,
    )
    if not (log := logging.getLogger("uvicorn.error")).level:
        # It takes an unset level for TRACE.
        log.setLevel(logging.WARNING)
    try:
        uvicorn.load()
    except OSError as error:
        msg = f"cannot use certificate {settings.certfile} with key {settings.keyfile}: {error}"
        raise ConfigError(msg) from error
    return uvicorn


async def _wait(
    tasks: set[asyncio.Task[None]], timeout: float, *, all_of_them: bool = False
) -> None:
    if not tasks:
        if not all_of_them:
            await asyncio.sleep(timeout)
        return
    mode = asyncio.ALL_COMPLETED if all_of_them else asyncio.FIRST_COMPLETED
    await asyncio.wait(set(tasks), timeout=timeout, return_when=mode)


def _duplicate(descriptor: int) -> socket.socket:
    with socket.socket(fileno=descriptor) as owned:
        duplicate = owned.dup()
        owned.detach()  # the caller's descriptor stays open
    duplicate.setblocking(False)
    return duplicate


def _is_not_cancellation(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))

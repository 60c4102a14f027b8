"""Hypercorn's connections on asyncio, on listeners and with an end of our own.

Its `worker_serve` waits in `Server.wait_closed` until the last client has gone, which on Python
3.12 and newer is never while a stream or socket is open.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import anyio
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.events import Closed, Event, RawData

from pegboard_server_hypercorn._connection import EndingContext, GuardedConnection
from pegboard_server_hypercorn._translation import (
    duplicate,
    is_given_up,
    logger,
)

if TYPE_CHECKING:
    from hypercorn.config import Config
    from hypercorn.typing import AppWrapper

__all__ = ["serve"]

_DISCONNECT_GRACE = 0.2
_CANCEL_GRACE = 1.0
_CLOSE_GRACE = 10.0

_UNPAUSED = 32_768
"""Bytes that may wait in a socket's buffer before a writer has to: half of what asyncio allows."""


async def serve(
    app: AppWrapper,
    config: Config,
    context: ssl.SSLContext | None,
    *,
    sockets: list[int],
    started: Callable[[], None],
    stop: anyio.Event,
    timeout: float,
) -> None:
    """Serve until `stop` is set, wait `timeout` seconds for what is open, cut what is left."""
    listener = _Listener(app, config, context)
    try:
        await listener.open(sockets)
        started()
        await stop.wait()
        await listener.drain(timeout)
    finally:
        await listener.cut()


class _Context(EndingContext, WorkerContext):
    """The context of one connection."""


class _Connection(GuardedConnection, TCPServer):
    """A connection that gathers what is sent in one turn of the loop.

    Hypercorn hands on head, body and end of an answer one by one, and each is a system call.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._gathered = bytearray()
        self._sending = 0

    async def protocol_send(self, event: Event) -> None:
        if not isinstance(event, RawData):
            await super().protocol_send(event)
        elif not self._gather(event.data):
            self._write_gathered()
            self._sending += 1
            try:
                await self._send_in_time(event)
            finally:
                self._sending -= 1

    def _gather(self, data: bytes) -> bool:
        """Take data to be sent in a moment, unless its sender may have to wait for the client."""
        transport = self.writer.transport
        waiting = transport.get_write_buffer_size() + len(self._gathered)
        if self._sending or transport.is_closing() or waiting + len(data) > _UNPAUSED:
            return False
        if not self._gathered:
            self.loop.call_soon(self._write_gathered)
        self._gathered += data
        return True

    def _write_gathered(self) -> None:
        if self._gathered:
            # A transport may hold on to what it is given, so that the next turn needs its own.
            data, self._gathered = self._gathered, bytearray()
            self.writer.write(data)

    async def _send_in_time(self, event: RawData) -> None:
        try:
            async with asyncio.timeout(self.config.send_timeout):
                await super().protocol_send(event)
        except TimeoutError:
            self.writer.transport.abort()
            await self.protocol.handle(Closed())

    async def say_goodbye(self) -> None:
        await super().say_goodbye()
        self._write_gathered()  # since the transport is closed next

    async def _close(self) -> None:
        self._write_gathered()
        # A client that reads nothing would keep the rest of its answer, and the socket, for ever.
        grace = 0.0 if is_given_up(self.protocol) else _CLOSE_GRACE
        limit = self.loop.call_later(grace, self.writer.transport.abort)
        try:
            await super()._close()
        finally:
            limit.cancel()


class _Listener:
    def __init__(self, app: AppWrapper, config: Config, context: ssl.SSLContext | None) -> None:
        self._app = app
        self._config = config
        self._ssl = context
        self._terminated = WorkerContext.event_class()
        self._servers: list[asyncio.Server] = []
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._is_cut = False

    async def open(self, sockets: list[int]) -> None:
        timeout = self._config.ssl_handshake_timeout if self._ssl else None
        for descriptor in sockets:
            server = await asyncio.start_server(
                self._accept,
                sock=duplicate(descriptor),
                backlog=self._config.backlog,
                ssl=self._ssl,
                ssl_handshake_timeout=timeout,
            )
            self._servers.append(server)

    async def drain(self, timeout: float) -> None:
        self._close_servers()
        await self._terminated.set()
        deadline = asyncio.get_running_loop().time() + timeout
        while self._open and (rest := deadline - asyncio.get_running_loop().time()) > 0:
            await asyncio.wait(set(self._open), timeout=rest)

    async def cut(self) -> None:
        self._close_servers()
        if not self._open:
            return
        logger.warning("cutting %d connections", len(self._open))
        self._is_cut = True
        with anyio.CancelScope(shield=True):
            for writer in list(self._open.values()):
                writer.transport.abort()
            await asyncio.wait(set(self._open), timeout=_DISCONNECT_GRACE)
            for task in list(self._open):
                task.cancel()
            if self._open:
                await asyncio.wait(set(self._open), timeout=_CANCEL_GRACE)
        if self._open:
            logger.error("%d connections ignore that they are cancelled", len(self._open))

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        task: Any = asyncio.current_task()
        self._open[task] = writer
        context = _Context(self._terminated)
        try:
            await _Connection(self._app, loop, self._config, context, {}, reader, writer)
        except asyncio.CancelledError:
            if not self._is_cut:
                raise  # and else asyncio would report it as a failure
        except Exception:  # noqa: BLE001 - one connection must not end the others
            logger.exception("a connection failed")
        finally:
            del self._open[task]

    def _close_servers(self) -> None:
        while self._servers:
            self._servers.pop().close()

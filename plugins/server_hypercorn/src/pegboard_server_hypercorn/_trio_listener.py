"""Hypercorn's connections on trio, on listeners and with an end of our own.

Hypercorn sends in a shielded scope, so that a client that does not read could hold up the end for
ever: what is open at the deadline is closed underneath it.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import trio
from hypercorn.events import Closed, Event, RawData
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from pegboard_server_hypercorn._connection import EndingContext, GuardedConnection
from pegboard_server_hypercorn._translation import (
    duplicate,
    logger,
)

if TYPE_CHECKING:
    import anyio
    from hypercorn.config import Config
    from hypercorn.typing import AppWrapper

__all__ = ["serve"]

_DISCONNECT_GRACE = 0.2
_SEND_GRACE = 1.0


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
    connections = _Connections(app, config)
    listeners = [_listener(descriptor, context) for descriptor in sockets]
    async with trio.open_nursery() as nursery:
        try:
            async with trio.open_nursery() as accepting:
                await accepting.start(
                    partial(
                        trio.serve_listeners,
                        connections.serve,
                        listeners,
                        handler_nursery=nursery,
                    )
                )
                started()
                await stop.wait()
                accepting.cancel_scope.cancel()
            await connections.drain(timeout)
        finally:
            await connections.cut()
            nursery.cancel_scope.cancel()


class _Context(EndingContext, WorkerContext):
    """The context of one connection."""


class _Connection(GuardedConnection, TCPServer):
    async def protocol_send(self, event: Event) -> None:
        if not isinstance(event, RawData):
            await super().protocol_send(event)
            return
        async with self.send_lock:
            try:
                with trio.fail_after(self.config.send_timeout, shield=True):
                    await self.stream.send_all(event.data)
            except trio.TooSlowError:
                await trio.aclose_forcefully(self.stream)
                await self.protocol.handle(Closed())
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                await self.protocol.handle(Closed())

    async def _close(self) -> None:
        # Hypercorn closes while another task still sends, and the answer would be lost.
        if self.send_lock.statistics().owner is not trio.lowlevel.current_task():
            with trio.move_on_after(_SEND_GRACE):
                async with self.send_lock:
                    pass
        await super()._close()


class _Connections:
    def __init__(self, app: AppWrapper, config: Config) -> None:
        self._app = app
        self._config = config
        self._terminated = WorkerContext.event_class()
        self._open: set[Any] = set()
        self._changed = trio.Event()

    async def serve(self, stream: Any) -> None:
        self._open.add(stream)
        context, state = _Context(self._terminated), ConnectionState({})
        try:
            await _Connection(self._app, self._config, context, state, stream)
        except Exception:  # noqa: BLE001 - one connection must not end the others
            logger.exception("a connection failed")
        finally:
            self._open.discard(stream)
            self._changed.set()

    async def drain(self, timeout: float) -> None:
        await self._terminated.set()
        with trio.move_on_after(timeout):
            await self._wait()

    async def cut(self) -> None:
        if not self._open:
            return
        logger.warning("cutting %d connections", len(self._open))
        with trio.CancelScope(shield=True):
            for stream in list(self._open):
                await trio.aclose_forcefully(stream)
            with trio.move_on_after(_DISCONNECT_GRACE):
                await self._wait()

    async def _wait(self) -> None:
        while self._open:
            self._changed = trio.Event()
            await self._changed.wait()


def _listener(descriptor: int, context: ssl.SSLContext | None) -> Any:
    plain = trio.SocketListener(trio.socket.from_stdlib_socket(duplicate(descriptor)))
    if context is None:
        return plain
    return trio.SSLListener(plain, context, https_compatible=True)

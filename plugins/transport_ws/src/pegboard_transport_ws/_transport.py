"""The gate: who may open a socket, and to what."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from anyio import CancelScope, Event, create_task_group, move_on_after

from pegboard import Connection as Handshake
from pegboard import PegboardError, Request, RequestData
from pegboard.contracts.channel import Channels
from pegboard.errors import ForbiddenError, NotFoundError, UnavailableError
from pegboard_transport_ws._connection import Connection
from pegboard_transport_ws._endpoint import Endpoint, EndpointTable
from pegboard_transport_ws._failure import FIRST_SERVER_ERROR, describe
from pegboard_transport_ws._hub import Hub
from pegboard_transport_ws._limit import ConnectionLimit
from pegboard_transport_ws._origin import is_allowed_host, is_allowed_origin
from pegboard_transport_ws._refusal import FORBIDDEN, HTTP_ERRORS, Refusal, refuse
from pegboard_transport_ws._registration import Registration
from pegboard_transport_ws._sender import SenderPool

if TYPE_CHECKING:
    from pegboard import App, Export, Session
    from pegboard.contracts.asgi import Receive, Scope, Send
    from pegboard_transport_ws.config import WsConfig

__all__ = ["Transport"]

OFFERED = ("broadcast", "close", "connections", "join", "leave", "send")
"""Methods of the channels that are attributes of the app as well, `app.ws_send` and so on."""

_logger = logging.getLogger("pegboard.transport_ws")


class Transport:
    """Serves `/ws/{mod}/{handler}` of one app.

    Args:
        app: The app.
        config: The settings.

    Attributes:
        hub: The channels.
        endpoints: The paths.
        registration: Takes the exports that handle them.
    """

    def __init__(self, app: App, config: WsConfig) -> None:
        self.hub = Hub(config)
        self.endpoints = EndpointTable(self._orphan, self._follow)
        self.registration = Registration(app, self.endpoints)
        self._app = app
        self._generation = app.generation("transport_ws")
        self._config = config
        self._limit = ConnectionLimit(config)
        self._emptied = Event()
        self._identifying: set[CancelScope] = set()
        self._is_closed = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, from the handshake on."""
        await receive()
        handshake = Handshake(scope)
        try:
            endpoint = self._admit(handshake)
        except PegboardError as error:
            await refuse(scope, send, Refusal.of(error))
            return
        self._generation.leases += 1
        try:
            with self._limit.counted(handshake.client):
                await self._serve(endpoint, handshake, receive, send)
        finally:
            self._generation.leases -= 1
            if not self._limit.total:
                self._emptied.set()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Provide the channels and watch the connections while the block runs."""
        app = self._app
        offers = [
            app.provide(Channels, self.hub),  # type: ignore[type-abstract]  # a Protocol stands for its implementations
            *(app.extend(f"ws_{name}", getattr(self.hub, name)) for name in OFFERED),
        ]
        unsubscribe = app.registry.subscribe(self.endpoints.update)
        try:
            async with create_task_group() as tasks:
                self.hub.senders = SenderPool(tasks)
                tasks.start_soon(self.hub.watch)
                tasks.start_soon(self._stop_with_app)
                yield
                await self._aclose()
                self.hub.senders.close()
                tasks.cancel_scope.cancel()
        finally:
            unsubscribe()
            for withdraw in offers:
                withdraw()

    def take_over(self, previous: Transport) -> None:
        """Make the open sockets of the transport that this one replaces its own.

        Their conversations go on in the code that began them, with the channels and the handlers
        of this one; that code is gone when the last of them has ended.
        """
        for connection in self.hub.take_over(previous.hub):
            endpoint = self.endpoints.find(f"/ws/{connection.endpoint.channel_id}")
            connection.move(self.hub, endpoint or connection.endpoint)

    # -- one handshake ---------------------------------------------------------------------

    def _admit(self, handshake: Handshake) -> Endpoint:
        """Check what can be checked before anybody is asked who is there."""
        if self._is_stopping:
            msg = "the server stops"
            raise UnavailableError(msg)
        endpoint = self.endpoints.find(handshake.path)
        if endpoint is None:
            msg = f"no WebSocket handler at {handshake.path}"
            raise NotFoundError(msg)
        headers = handshake.headers
        config, is_secure = self._config, handshake.scope.get("scheme") == "wss"
        if not is_allowed_host(headers.host, config.allowed_hosts):
            msg = f"{headers.host} is not served here; see the setting allowed_hosts"
            raise ForbiddenError(msg)
        if not is_allowed_origin(
            headers.origin, headers.host, config.allowed_origins, is_secure=is_secure
        ):
            msg = f"pages from {headers.origin} may not connect; see the setting allowed_origins"
            raise ForbiddenError(msg)
        self._limit.check(handshake.client)
        return endpoint

    async def _serve(
        self, endpoint: Endpoint, handshake: Handshake, receive: Receive, send: Send
    ) -> None:
        answer = await self._identify(endpoint, handshake)
        if isinstance(answer, Refusal):
            await refuse(handshake.scope, send, answer)
            return
        connection = Connection(
            self._app, self.hub, endpoint, scope=handshake.scope, receive=receive, send=send
        )
        await connection.run(*answer)

    async def _identify(
        self, endpoint: Endpoint, handshake: Handshake
    ) -> tuple[RequestData, int] | Refusal:
        """Return the handshake with the session of who asks, and the level that they needed.

        The export is looked at here only: no frame that lives as long as the socket holds it.
        """
        export = endpoint.export
        if export is None:
            return Refusal(404, "the handler was removed")
        try:
            request = Request.from_scope(handshake.scope)
        except ValueError:
            return Refusal(400, "the query is not UTF-8")
        level = export.required_level
        answer: Session | Refusal | None = None
        with move_on_after(self._config.connect_timeout) as limit, self._ended_by_stop(limit):
            answer = await self._ask(request, export, handshake)
        if self._is_stopping:
            return Refusal(503, "the server stops")
        if answer is None:
            return Refusal(503, "finding out who asks took too long")
        return answer if isinstance(answer, Refusal) else (RequestData(request, answer), level)

    @contextmanager
    def _ended_by_stop(self, scope: CancelScope) -> Iterator[None]:
        """Let the end of the server or of this transport cancel the scope."""
        self._identifying.add(scope)
        try:
            yield
        finally:
            self._identifying.remove(scope)

    async def _ask(
        self, request: Request, export: Export, handshake: Handshake
    ) -> Session | Refusal:
        try:
            refusal = await self._intercept(request, handshake)
            return refusal or await self._app.access.admit(export, handshake)
        except PegboardError as error:
            return Refusal.of(error)
        except Exception as error:  # noqa: BLE001 - a plugin's failure denies, and is logged
            told = describe(self._app, error, f"the handshake of {handshake.path}")
            return Refusal(FIRST_SERVER_ERROR, told["message"])

    async def _intercept(self, request: Request, handshake: Handshake) -> Refusal | None:
        """Let plugins answer in place of a handler: an answer is a refusal here."""
        if not self._app.request_hooks:
            return None
        session = await self._app.access.session(handshake)
        result = await self._app.intercept(RequestData(request, session))
        if result is None:
            return None
        code = result.info.exec_code
        return Refusal(code if code in HTTP_ERRORS else FORBIDDEN, result.info.help_text)

    # -- all connections -------------------------------------------------------------------

    @property
    def _is_stopping(self) -> bool:
        return self._is_closed or self._app.stopping.is_set()

    def end_sessions(self, subjects: Collection[str]) -> None:
        """Close the sockets of these sessions and users."""
        for connection in self.hub.members():
            connection.leave(subjects)

    def _orphan(self, endpoint: Endpoint, export: Export) -> None:
        for connection in self.hub.members():
            if connection.endpoint is endpoint:
                connection.orphan(export)

    def _follow(self, endpoint: Endpoint, level: int) -> None:
        for connection in self.hub.members():
            if connection.endpoint is endpoint:
                connection.follow(level)

    async def _stop_with_app(self) -> None:
        await self._app.stopping.wait()
        self._close_all(1001, "the server stops")

    def give_up(self) -> None:
        """Close what is open, and take no more."""
        self._is_closed = True
        self._close_all(1012, "the WebSocket transport is replaced")

    async def _aclose(self) -> None:
        """Close what is open and wait until it has ended."""
        self.give_up()
        config = self._config
        with move_on_after(config.close_timeout + config.disconnect_timeout):
            while self._limit.total:
                self._emptied = Event()
                await self._emptied.wait()
        if self._limit.total:
            _logger.error("%d sockets did not end in time", self._limit.total)

    def _close_all(self, code: int, reason: str) -> None:
        for limit in self._identifying:
            limit.cancel()
        for connection in self.hub.members():
            connection.close(code, reason)

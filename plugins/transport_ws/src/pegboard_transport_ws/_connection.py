"""One open socket: its handlers are called in turn.

Code of a mod is reached through the endpoint for each event, so that the next event after a reload
goes to the new code.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from time import monotonic
from typing import TYPE_CHECKING, Any

import msgspec
from anyio import CancelScope, move_on_after

from pegboard import ANONYMOUS, Result, current_request, entered
from pegboard import Connection as Handshake
from pegboard.errors import AccessError, PegboardError
from pegboard_transport_ws._context import WebSocketContext
from pegboard_transport_ws._endpoint import handlers_of
from pegboard_transport_ws._failure import FIRST_SERVER_ERROR, describe
from pegboard_transport_ws._frame import Frame, decode, encode, exceeds
from pegboard_transport_ws._handler import Given
from pegboard_transport_ws._refusal import (
    FORBIDDEN,
    POLICY_VIOLATION,
    Refusal,
    refuse,
    verdict,
)
from pegboard_transport_ws._sending import Closing, SendingSide
from pegboard_transport_ws._stall import Stall

if TYPE_CHECKING:
    from pegboard import App, Export, RequestData
    from pegboard.contracts.asgi import Message, Receive, Scope, Send
    from pegboard_transport_ws._endpoint import Endpoint
    from pegboard_transport_ws._handler import Handler, Handlers
    from pegboard_transport_ws._hub import Hub

__all__ = ["Connection"]

_logger = logging.getLogger("pegboard.transport_ws")

SENDABLE = (dict, list, bytes, bytearray, memoryview, msgspec.Struct)
"""What `on_message` may return for its sender; anything else, such as a count, is not sent."""


class Connection(SendingSide):
    """One client.

    Attributes:
        endpoint: The path that it is connected to.
        channels: Where it is a member.
        received: Messages from the client.
    """

    __slots__ = (
        "_app",
        "_ended",
        "_handling",
        "_idle",
        "_level",
        "_orphaned",
        "_receive",
        "_request",
        "_scope",
        "_stall",
        "_subprotocol",
        "_values",
        "_within",
        "channels",
        "endpoint",
        "received",
    )

    def __init__(
        self,
        app: App,
        hub: Hub,
        endpoint: Endpoint,
        *,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        super().__init__(hub, send)
        self.channels: set[str] = set()
        self.received = 0
        self._app = app
        self.endpoint = endpoint
        self._scope = scope
        self._receive = receive
        self._within = CancelScope()
        self._handling = self._ended = False
        self._level = 0
        self._values: dict[str, Any] = {}
        self._subprotocol = _agreed(scope, hub.config.subprotocols)
        self._orphaned: Export | None = None
        self._request: RequestData | None = None
        self._stall, self._idle = Stall(monotonic()), Stall(monotonic())

    # -- for the hub and the transport -----------------------------------------------------

    @property
    def is_own(self) -> bool:
        """Whether the caller is a handler of this connection: one that may wait for its client."""
        return self._handling and current_request() is self._request

    def move(self, hub: Hub, endpoint: Endpoint) -> None:
        """Go on in another hub, as the transport was replaced; handlers are those of `endpoint`."""
        self._hub, self.endpoint = hub, endpoint

    def orphan(self, export: Export) -> None:
        """Close since the handler was removed; its `on_disconnect` is still called."""
        self._orphaned = export
        export.generation.leases += 1
        self.close(1012, "the handler was removed")

    def follow(self, level: int) -> None:
        """Close if the endpoint now asks for more than the client had when it connected.

        Who has enough is looked at again before the next event.

        Args:
            level: The level that is required from now on.
        """
        if self._request is not None and self._request.session.level < level:
            self.outbox.clear()
            self.close(POLICY_VIOLATION, "this needs a higher level now")

    def leave(self, subjects: Collection[str]) -> None:
        """Close if the client is one of these sessions or users, which are not what they were."""
        session = ANONYMOUS if self._request is None else self._request.session
        if not {session.session_id, session.user_id}.isdisjoint(subjects) and session.user_id:
            self.outbox.clear()
            self.close(POLICY_VIOLATION, "the session has ended or was changed")

    def check(self, now: float) -> None:
        """Cut or close what stands still; called now and then.

        Args:
            now: Seconds of the monotonic clock.
        """
        config = self._hub.config
        is_due = self._is_open and self._sending
        if self._stall.seconds(self.sent, now, is_due=is_due) >= config.send_timeout:
            self._give_up()
            self._cut()
        elif self._cut_at is not None and now >= self._cut_at:
            self._cut()
        elif config.idle_timeout:
            is_due = self._is_open and not self._handling
            if self._idle.seconds(self.received, now, is_due=is_due) >= config.idle_timeout:
                self.close(1001, "no message for too long")

    async def run(self, request: RequestData, level: int) -> None:
        """Serve the client until it has gone, and tell the handlers so.

        Args:
            request: The handshake, with the session of who is there.
            level: The level that was required of them.
        """
        self._request, self._level = request, level
        self._values = request.session.to_dict()
        self._hub.add(self, self.endpoint.channel_id)
        try:
            with entered(self._app, request):
                await self._live()
        finally:
            self._hub.remove(self)
            if self._orphaned is not None:
                self._orphaned.generation.leases -= 1

    async def _live(self) -> None:
        refusal = await self._connect()
        if refusal is not None:
            self._hub.retire(self)
            await refuse(self._scope, self._send, refusal)
            return
        try:
            if self.closing is not None:  # since `on_connect` began
                await refuse(self._scope, self._send, self._too_late(self.closing))
                return
            self._is_open = True
            with CancelScope() as self._within:
                await self._converse()
        finally:
            self._cut()
            self._hub.retire(self)
            await self._say_goodbye()

    # -- the handshake ---------------------------------------------------------------------

    async def _connect(self) -> Refusal | None:
        """Ask `on_connect`; return why the client is refused."""
        refusal: Refusal | None = Refusal(503, "on_connect took too long")
        with move_on_after(self._hub.config.connect_timeout) as self._within:
            refusal = await self._ask()
        if refusal is None or self.closing is None:
            return refusal
        return self._too_late(self.closing)

    @staticmethod
    def _too_late(closing: Closing) -> Refusal:
        status = FORBIDDEN if closing.code == POLICY_VIOLATION else 503
        return Refusal(status, closing.reason)

    async def _ask(self) -> Refusal | None:
        try:
            export = await self._authorized()
            if export is None:
                return Refusal(404, "the handler was removed")
            handler = handlers_of(export).on_connect
            answer = None if handler is None else await self._call(export, handler)
        except AccessError as error:
            return Refusal.of(error)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - becomes the answer, and is logged
            status = error.status if isinstance(error, PegboardError) else FIRST_SERVER_ERROR
            return Refusal(status, self._describe(error, "on_connect")["message"])
        if isinstance(answer, dict):
            self._take(answer)
        return verdict(answer)

    def _take(self, answer: dict[str, Any]) -> None:
        """Take what else `on_connect` says in its answer."""
        if isinstance(answer.get("session"), dict):
            self._values.update(answer["session"])
        if answer.get("subprotocol") in (self._scope.get("subprotocols") or ()):
            self._subprotocol = answer["subprotocol"]

    # -- the conversation ------------------------------------------------------------------

    async def _converse(self) -> None:
        """Handle messages one after the other.

        The next message is taken from the server, and so from the client, only once the last one
        is handled and no more than a few answers wait for the client.
        """
        accept = {"type": "websocket.accept", "subprotocol": self._subprotocol}
        if await self._is_sent(accept):
            self._stop_sending()
        while not self._ended:
            message = await self._receive()
            if message["type"] == "websocket.disconnect":
                return
            self.received += 1
            if self.closing is None:
                self._handling = True
                await self._handle(message)
                self._handling = False
            await self.wait_for_room()

    async def _handle(self, message: Message) -> None:
        if exceeds(message, self._hub.config.max_message):
            self.close(1009, f"a message has more than {self._hub.config.max_message} bytes")
            return
        if not await self._is_admitted():
            return
        frame, result = await self._answer(message)
        # Nothing here holds on to the generation any more: it need not wait for a slow client.
        if frame is not None:
            await self._reply(frame)
        if result is not None:
            self._app.run_tasks(result)

    async def _answer(self, message: Message) -> tuple[Frame | None, Result[Any] | None]:
        """Call `on_message`; return what is sent for its answer, and a `Result` for its tasks."""
        export = self.endpoint.export
        handler = None if export is None else handlers_of(export).on_message
        if export is None or handler is None:
            return None, None
        try:
            answer = await self._call(export, handler, decode(message))
            frame = encode(answer) if isinstance(answer, SENDABLE) else None
        except (Exception, SystemExit) as error:  # noqa: BLE001 - becomes the answer, and is logged
            return encode(self._describe(error, "on_message")), None
        return frame, answer if isinstance(answer, Result) else None

    async def _is_admitted(self) -> bool:
        """Whether there is a handler for the next event, and the client may still be here."""
        try:
            return await self._authorized() is not None
        except AccessError as error:
            self.close(POLICY_VIOLATION, str(error))
        except Exception as error:  # noqa: BLE001 - a plugin's failure denies, and is logged
            self.close(1011, self._describe(error, "the session")["message"])
        return False

    async def _authorized(self) -> Export | None:
        """Return the export that handles the next event, None if it was removed.

        Where a reload has changed the level, who is there is asked again. While that takes its
        time another reload may come, so that it ends only with the export that it was asked for.

        Raises:
            AccessError: If the client may not be here.
        """
        while (export := self.endpoint.export) and export.required_level != self._level:
            level = export.required_level
            await self._app.access.admit(export, Handshake(self._scope))
            self._level = level
        return export

    async def _say_goodbye(self) -> None:
        export = self.endpoint.export or self._orphaned
        handler = None if export is None else handlers_of(export).on_disconnect
        if export is None or handler is None:
            return
        with move_on_after(self._hub.config.disconnect_timeout, shield=True) as limit:
            try:
                await self._call(export, handler)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - nobody is left to be told
                self._describe(error, "on_disconnect")
        if limit.cancelled_caught:
            _logger.error("on_disconnect of %s was cut off", self.endpoint.channel_id)

    async def _call(self, export: Export, handler: Handler, payload: Any = None) -> Any:
        export.generation.leases += 1
        try:
            return await handler(self._given(handlers_of(export), payload))
        finally:
            export.generation.leases -= 1

    def _given(self, handlers: Handlers, payload: Any) -> Given:
        context = self._context() if handlers.with_context else None
        return Given(self._app, self.id, self._values, context, payload)

    def _context(self) -> WebSocketContext:
        handshake, values = Handshake(self._scope), self._values
        return WebSocketContext(
            conn_id=self.id,
            channel_id=self.endpoint.channel_id,
            user=None if values.get("anonymous", True) else values,
            session_id=values.get("session_id") or None,
            headers=handshake.headers.to_dict(),
            cookies=handshake.cookies,
        )

    def _describe(self, error: BaseException, event: str) -> dict[str, Any]:
        return describe(self._app, error, f"{event} of {self.endpoint.channel_id}")

    def _retire(self) -> None:
        self._hub.retire(self)

    def _end(self) -> None:
        self._ended = True
        if not self._handling:
            self._within.cancel()

    def _cut(self) -> None:
        """End the conversation, whatever runs for it."""
        self._ended = True
        self._within.cancel()
        if self._sender is not None:
            self._sender.cancel()


def _agreed(scope: Scope, spoken: tuple[str, ...]) -> str | None:
    """Return the first subprotocol of the client's that is spoken here."""
    return next((each for each in scope.get("subprotocols") or () if each in spoken), None)

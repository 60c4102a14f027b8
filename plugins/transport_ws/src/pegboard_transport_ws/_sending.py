"""What one open socket sends: what waits goes out in its order, then the close.

One rule holds here. Whoever sets `_sending` owns the socket's sending side until it is unset, so
that no two tasks send at once.
"""

from __future__ import annotations

import logging
import secrets
from abc import ABC, abstractmethod
from time import monotonic
from typing import TYPE_CHECKING

import msgspec
from anyio import Event

from pegboard_transport_ws._outbox import Outbox
from pegboard_transport_ws._refusal import shortened

if TYPE_CHECKING:
    from anyio import CancelScope

    from pegboard.contracts.asgi import Message, Send
    from pegboard_transport_ws._frame import Frame
    from pegboard_transport_ws._hub import Hub

__all__ = ["Closing", "SendingSide"]

ENOUGH = 4
"""Pressure of the outbox above which a client is not read from."""

_logger = logging.getLogger("pegboard.transport_ws")


class Closing(msgspec.Struct, frozen=True):
    """How a connection ends.

    Attributes:
        code: Close code (RFC 6455 section 7.4, and the registry of the IANA).
        reason: One line for people.
    """

    code: int
    reason: str


class SendingSide(ABC):
    """The half of a connection that sends; `Connection` adds the half that receives.

    Attributes:
        id: Unguessable identity of the connection.
        outbox: What waits to be sent.
        sent: Messages handed to the server.
        closing: How it ends, once that is decided.
    """

    __slots__ = (
        "__weakref__",
        "_cut_at",
        "_drained",
        "_hub",
        "_is_open",
        "_send",
        "_sender",
        "_sending",
        "closing",
        "id",
        "outbox",
        "sent",
    )

    def __init__(self, hub: Hub, send: Send) -> None:
        self.id = secrets.token_urlsafe(16)
        self.outbox = Outbox(hub.config)
        self.sent = 0
        self.closing: Closing | None = None
        self._hub = hub
        self._send = send
        self._drained: Event | None = None
        self._sender: CancelScope | None = None
        self._sending = True  # nothing is sent before the handshake is answered
        self._is_open = False
        self._cut_at: float | None = None

    @abstractmethod
    def _retire(self) -> None:
        """Take the connection out of its channels: it is about to close."""

    @abstractmethod
    def _end(self) -> None:
        """Let the conversation end: now, or once the handler that runs has returned."""

    def put(self, frame: Frame) -> bool:
        """Queue a frame; False if it was not taken."""
        if self.closing is not None:
            return False
        if not self.outbox.put(frame):
            if self._hub.config.slow_consumer == "close":
                self._give_up()
            return False
        if not self._sending:
            self._sending = True
            self._hub.senders.add(self)
        return True

    def close(self, code: int, reason: str) -> bool:
        """Close after what waits is sent; False if that is decided already."""
        if self.closing is not None:
            return False
        self.closing = Closing(code, shortened(reason))
        self._cut_at = monotonic() + self._hub.config.close_timeout
        self._retire()
        if self._drained is not None:
            self._drained.set()
        if not self._sending:
            self._sending = True
            self._hub.senders.add(self)
        return True

    async def wait_for_room(self) -> None:
        """Wait until not much waits to be sent; if the client takes nothing, it is cut in time."""
        while self.outbox.pressure > ENOUGH and self.closing is None:
            if self._drained is None or self._drained.is_set():
                self._drained = Event()
            await self._drained.wait()

    async def flush(self, scope: CancelScope) -> None:
        """Send what waits, and the close if that is due; called by a sender."""
        self._sender = scope
        try:
            while (frame := self.outbox.take()) is not None:
                await self._send(frame.message)
                self.sent += 1
            if self.closing is not None:
                code, reason = self.closing.code, self.closing.reason
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
                self._end()
                return  # nothing is sent any more: `_sending` stays set
        except Exception as error:  # noqa: BLE001 - servers differ in how they say it
            self._lose(error)
            return
        finally:
            self._sender = None
        self._sending = False
        if self._drained is not None:
            self._drained.set()

    async def _reply(self, frame: Frame) -> None:
        """Send to the client whose message was handled: at once, if nobody else is sending.

        Waiting for a client that does not read delays nobody here but that client.
        """
        if self._sending or self.closing is not None:
            self.put(frame)
        else:
            self._sending = True
            if await self._is_sent(frame.message):
                self.sent += 1
                self._stop_sending()

    async def _is_sent(self, message: Message) -> bool:
        try:
            await self._send(message)
        except Exception as error:  # noqa: BLE001 - servers differ in how they say it
            self._lose(error)
            return False
        return True

    def _stop_sending(self) -> None:
        """Hand the sending side over to a sender, if something waits, or to whoever comes."""
        if self.outbox or self.closing is not None:
            self._hub.senders.add(self)
        else:
            self._sending = False

    def _lose(self, error: Exception) -> None:
        _logger.debug("connection %s was lost: %r", self.id, error)
        self.outbox.clear()
        self.close(1006, "the connection was lost")
        self._end()

    def _give_up(self) -> None:
        """Close a connection that does not take what it is sent."""
        self.outbox.clear()
        if self.close(1013, "too slow: messages were not taken"):
            self._hub.slow_closed += 1

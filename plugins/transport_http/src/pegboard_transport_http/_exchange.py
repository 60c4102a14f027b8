"""One request and the answer to it, off the fast path."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pegboard.contracts.session import RESPONSE_HEADERS
from pegboard_transport_http._deadline import DeadlineError
from pegboard_transport_http._header import Header, guarded
from pegboard_transport_http._refusal import ClientGoneError
from pegboard_transport_http._render import ENVELOPE_TYPE, Response

if TYPE_CHECKING:
    from pegboard.contracts.asgi import Message, Receive, Scope, Send
    from pegboard_transport_http._deadline import Deadline

__all__ = ["Exchange", "StalledClientError"]


ABORT = "pegboard.abort"
"""ASGI extension, and type of the message, by which a server drops a connection at once."""


class StalledClientError(ClientGoneError):
    """The client has not accepted the next part of the response in time: it is given up."""


class Exchange:
    """What a request says and what has been answered so far.

    Attributes:
        scope: The ASGI scope.
        receive: Gives the messages of the client.
        started: Whether the status has left: nothing else can be answered then.
        is_head: Whether only the head of the answer is wanted.

    Args:
        scope: The ASGI scope.
        receive: Gives the messages of the client.
        send: Takes those for it.
        stall: For how long the client may accept nothing.
    """

    __slots__ = ("_send", "_stall", "is_head", "receive", "scope", "started")

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, stall: Deadline) -> None:
        self.scope = scope
        self.receive = receive
        self.started = False
        self.is_head = scope["method"] == "HEAD"
        self._send = send
        self._stall = stall

    def header(self, name: bytes) -> bytes | None:
        """Return a request header, the values of a repeated one joined by commas."""
        values = [value for each, value in self.scope["headers"] if each == name]
        return b", ".join(values) if values else None

    @property
    def wants_envelope(self) -> bool:
        """Whether the client asked for the envelope in every case."""
        return ENVELOPE_TYPE in (self.header(b"accept") or b"")

    @property
    def wants_anything(self) -> bool:
        """Whether the client takes any media type."""
        return b"*/*" in (self.header(b"accept") or b"*/*")

    async def respond(self, response: Response) -> None:
        """Send a response that is in memory.

        Raises:
            ClientGoneError: If the client has left, or does not accept it in time.
        """
        headers = [*response.headers]
        if response.status not in {204, 304}:
            headers.append((b"content-length", b"%d" % len(response.body)))
        await self.start(response.status, headers)
        await self.write(response.body, more=False)

    async def start(self, status: int, headers: list[Header]) -> None:
        """Send status and headers.

        Raises:
            ClientGoneError: If the client has left, or does not accept them in time.
        """
        self.started = True
        head = guarded([*headers, *self.scope.get(RESPONSE_HEADERS, ())])
        await self._bounded({"type": "http.response.start", "status": status, "headers": head})

    async def write(self, body: bytes, *, more: bool = True) -> None:
        """Send a part of the body, nothing of it where only the head is wanted.

        Raises:
            ClientGoneError: If the client has left, or does not accept it in time.
        """
        content = b"" if self.is_head else body
        await self._bounded({"type": "http.response.body", "body": content, "more_body": more})

    async def _bounded(self, message: Message) -> None:
        try:
            await self._stall.bound(partial(self._send, message))
        except DeadlineError as error:
            await self._abort()
            raise StalledClientError from error
        except OSError as error:  # by ASGI 2.4: nobody is there to take it
            raise ClientGoneError from error

    async def _abort(self) -> None:
        """Have the server drop the connection at once, where it offers to.

        A response that ends early makes any server close, but closing waits for what lies in the
        socket's buffer, and a stalled client never takes that.
        """
        if ABORT in (self.scope.get("extensions") or ()):
            await self._send({"type": ABORT})

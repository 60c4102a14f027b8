"""The body of a request as it comes in: how much, how fast."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

import anyio

from pegboard.errors import TooLargeError
from pegboard_transport_http._pending import Pending, poll
from pegboard_transport_http._refusal import ClientGoneError, SlowBodyError

if TYPE_CHECKING:
    from pegboard.contracts.asgi import Message, Receive
    from pegboard_transport_http._head import Fields
    from pegboard_transport_http.config import HttpSettings

__all__ = ["Begun", "BodyReader"]

Begun = tuple[bytes | None, "Message | None", "Pending[Message] | None"]
"""A body that was begun to be read: the whole of it, the first message, the wait for the next."""


class BodyReader:
    """Reads bodies within limits.

    Args:
        settings: The limits.
    """

    __slots__ = ("_rate", "_timeout", "max_memory")

    def __init__(self, settings: HttpSettings) -> None:
        self.max_memory = settings.max_memory_body
        self._timeout = settings.body_timeout
        self._rate = settings.min_body_rate

    def begin(self, receive: Receive) -> Begun:
        """Begin to read: a body that is there already, in a single message, is not copied.

        Some servers send the body and its end in two messages.
        """
        message, pending = poll(receive)
        if message is None:
            return None, None, pending
        if message.get("more_body"):
            rest, pending = poll(receive)
            if rest is None:
                return None, message, pending
            message = _joined(message, rest)
        if message["type"] != "http.request" or message.get("more_body"):
            return None, message, None
        body: bytes = message.get("body", b"")
        return (body if len(body) <= self.max_memory else None), message, None

    async def read(self, fields: Fields, begun: Begun, receive: Receive) -> bytes:
        """Return the whole body.

        Args:
            fields: The request headers.
            begun: What `begin` has returned.
            receive: Gives what is still missing.

        Raises:
            TooLargeError: If it is larger than what may be held in memory.
            SlowBodyError: If it does not come in fast enough.
            ClientGoneError: If the client goes away before it is complete.
        """
        if begun[0] is not None:
            return begun[0]
        async with aclosing(self.parts(fields, begun, receive, self.max_memory)) as parts:
            return b"".join([part async for part in parts])

    async def parts(
        self, fields: Fields, begun: Begun, receive: Receive, limit: int
    ) -> AsyncGenerator[bytes, None]:
        """Yield the body in parts as they come in; to be closed by whoever does not read it all.

        Raises:
            TooLargeError: If it is larger than `limit`.
            SlowBodyError: If it does not come in fast enough.
            ClientGoneError: If the client goes away before it is complete.
        """
        _check_length(fields, limit)
        _, message, pending = begun
        start = anyio.current_time()
        received = 0
        while True:
            if message is None and pending is not None:
                message, pending = await self._wait(pending, start, received), None
            if message is None or message["type"] != "http.request":
                raise ClientGoneError
            body: bytes = message.get("body", b"")
            received += len(body)
            if received > limit:
                raise _too_large(limit)
            if body:
                yield body
            if not message.get("more_body", False):
                return
            self._check_rate(start, received)
            message = None
            if pending is None:
                message, pending = poll(receive)

    async def _wait(self, pending: Pending[Message], start: float, received: int) -> Message:
        try:
            return await pending.within(self._allowance(start, received))
        except TimeoutError as error:
            raise _too_slow(received) from error

    def _check_rate(self, start: float, received: int) -> None:
        if self._allowance(start, received) <= 0:
            raise _too_slow(received)

    def _allowance(self, start: float, received: int) -> float:
        """Return how many seconds the next part may take.

        A body has `body_timeout` seconds, and what it has brought so far buys it more.
        """
        if not self._rate:
            return self._timeout
        bought = start + self._timeout + received / self._rate
        return min(bought - anyio.current_time(), self._timeout)


def _joined(first: Message, second: Message) -> Message:
    """Return two messages in a row as one."""
    if second["type"] != "http.request":
        return second
    rest = second.get("body", b"")
    body = first.get("body", b"") + rest if rest else first.get("body", b"")
    return {"type": "http.request", "body": body, "more_body": second.get("more_body", False)}


def _check_length(fields: Fields, limit: int) -> None:
    """Refuse a body by its announced length, before any of it is read.

    Raises:
        TooLargeError: If it is larger than `limit`.
    """
    length = fields.get(b"content-length")
    if length is not None and int(length) > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"the body is larger than {limit} bytes")


def _too_slow(received: int) -> SlowBodyError:
    return SlowBodyError(f"the body comes in too slowly: {received} bytes so far")

"""The body of a request as it comes in: how much, how fast."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from typing import TYPE_CHECKING

import anyio

from pegboard.errors import TooLargeError
from pegboard_transport_http._pending import poll
from pegboard_transport_http._refusal import ClientGoneError, SlowBodyError

if TYPE_CHECKING:
    from pegboard.contracts.asgi import Message, Receive
    from pegboard_transport_http._head import Fields
    from pegboard_transport_http.config import HttpSettings

__all__ = ["BodyReader"]


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

    async def read(self, fields: Fields, receive: Receive) -> bytes:
        """Return the whole body; one that comes in a single message is not copied.

        Raises:
            TooLargeError: If it is larger than what may be held in memory.
            SlowBodyError: If it does not come in fast enough.
            ClientGoneError: If the client goes away before it is complete.
        """
        check_length(fields, self.max_memory)
        message, pending = poll(receive())
        if message is None or message.get("more_body") or message["type"] != "http.request":
            ready = _ready(message) if pending is None else pending
            parts = [part async for part in self._parts(ready, receive, self.max_memory)]
            return parts[0] if len(parts) == 1 else b"".join(parts)
        body: bytes = message.get("body", b"")
        if len(body) > self.max_memory:
            raise _too_large(self.max_memory)
        return body

    def parts(self, fields: Fields, receive: Receive, limit: int) -> AsyncIterator[bytes]:
        """Yield the body in parts as they come in.

        Raises:
            TooLargeError: If it is larger than `limit`.
            SlowBodyError: If it does not come in fast enough.
            ClientGoneError: If the client goes away before it is complete.
        """
        check_length(fields, limit)
        return self._parts(None, receive, limit)

    async def _parts(
        self, waiting: Awaitable[Message] | None, receive: Receive, limit: int
    ) -> AsyncIterator[bytes]:
        start = anyio.current_time()
        received = 0
        more = True
        while more:
            coming = receive() if waiting is None else waiting
            message = await self._before(self._deadline(start, received), coming, received)
            waiting = None
            if message["type"] != "http.request":
                raise ClientGoneError
            body: bytes = message.get("body", b"")
            received += len(body)
            if received > limit:
                raise _too_large(limit)
            if body:
                yield body
            more = message.get("more_body", False)

    def _deadline(self, start: float, received: int) -> float:
        """Return until when the next part has to be there.

        A body has `timeout` seconds, and what it has brought so far buys it more.
        """
        if not self._rate:
            return anyio.current_time() + self._timeout
        allowed = start + self._timeout + received / self._rate
        return min(allowed, anyio.current_time() + self._timeout)

    async def _before(
        self, deadline: float, waiting: Awaitable[Message], received: int
    ) -> Message:
        with anyio.CancelScope(deadline=deadline):
            return await waiting
        msg = f"the body came in too slowly: {received} bytes so far"
        raise SlowBodyError(msg)


def check_length(fields: Fields, limit: int) -> None:
    """Refuse a body by its announced length, before any of it is read.

    Raises:
        TooLargeError: If it is larger than `limit`.
    """
    length = fields.get(b"content-length")
    if length is not None and int(length) > limit:
        raise _too_large(limit)


async def _ready(message: Message | None) -> Message:
    return message or {"type": "http.disconnect"}


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"the body is larger than {limit} bytes")

"""The body of a request as it comes in: how much, how fast."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

import anyio

from pegboard.errors import TooLargeError
from pegboard_transport_http._deadline import Deadline, DeadlineError
from pegboard_transport_http._refusal import ClientGoneError, SlowBodyError

if TYPE_CHECKING:
    from pegboard.contracts.asgi import Message, Receive
    from pegboard_transport_http._head import Fields
    from pegboard_transport_http.config import HttpSettings

__all__ = ["BodyReader", "too_slow"]


class BodyReader:
    """Reads bodies within limits.

    Attributes:
        max_memory: Bytes of a body that may be held in memory.
        silence: For how long a client may send nothing.

    Args:
        settings: The limits.
    """

    __slots__ = ("_rate", "_timeout", "max_memory", "silence")

    def __init__(self, settings: HttpSettings) -> None:
        self.max_memory = settings.max_memory_body
        self.silence = Deadline(settings.body_timeout)
        self._timeout = settings.body_timeout
        self._rate = settings.min_body_rate

    async def read(self, fields: Fields, receive: Receive, first: Message | None = None) -> bytes:
        """Return the whole body.

        Args:
            fields: The request headers.
            receive: Gives what is still missing.
            first: The first message, if that was received already.

        Raises:
            TooLargeError: If it is larger than what may be held in memory.
            SlowBodyError: If it does not come in fast enough.
            ClientGoneError: If the client goes away before it is complete.
        """
        _check_length(fields, self.max_memory)
        message = first or await self._next_part(receive)
        if message.get("more_body"):
            message = await self.go_on(message, receive)
        if message["type"] == "http.request" and not message.get("more_body"):
            body: bytes = message.get("body", b"")
            if len(body) <= self.max_memory:
                return body
        async with aclosing(self.parts(fields, receive, self.max_memory, message)) as parts:
            return b"".join([part async for part in parts])

    async def parts(
        self, fields: Fields, receive: Receive, limit: int, first: Message | None = None
    ) -> AsyncGenerator[bytes, None]:
        """Yield the body in parts as they come in; to be closed by whoever does not read it all.

        Raises:
            TooLargeError: If it is larger than `limit`.
            SlowBodyError: If it does not come in fast enough.
            ClientGoneError: If the client goes away before it is complete.
        """
        _check_length(fields, limit)
        start = anyio.current_time()
        received = 0
        message = first
        while True:
            if message is None:
                message = await self._next(receive, start, received)
            if message["type"] != "http.request":
                raise ClientGoneError
            body: bytes = message.get("body", b"")
            received += len(body)
            if received > limit:
                raise _too_large(limit)
            if body:
                yield body
            if not message.get("more_body", False):
                return
            message = None

    async def go_on(self, first: Message, receive: Receive) -> Message:
        """Return the first two messages as one: some servers send the end of a body by itself.

        Raises:
            SlowBodyError: If the second does not come.
        """
        second = await self._next_part(receive)
        if second["type"] != "http.request":
            return second
        body, rest = first.get("body", b""), second.get("body", b"")
        more = second.get("more_body", False)
        return {"type": "http.request", "body": body + rest if rest else body, "more_body": more}

    async def _next_part(self, receive: Receive) -> Message:
        try:
            return await self.silence.bound(receive)
        except DeadlineError as error:
            raise too_slow(0) from error

    async def _next(self, receive: Receive, start: float, received: int) -> Message:
        try:
            with anyio.fail_after(self._allowance(start, received)):
                return await receive()
        except TimeoutError as error:
            raise too_slow(received) from error

    def _allowance(self, start: float, received: int) -> float:
        """Return how many seconds the next part may take.

        A body has `body_timeout` seconds, and what it has brought so far buys it more.
        """
        if not self._rate:
            return self._timeout
        bought = start + self._timeout + received / self._rate
        return min(bought - anyio.current_time(), self._timeout)


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


def too_slow(received: int) -> SlowBodyError:
    """Return what refuses a client that sends its body too slowly."""
    return SlowBodyError(f"the body comes in too slowly: {received} bytes so far")

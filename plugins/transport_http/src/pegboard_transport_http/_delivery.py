"""Sending a stream to a client for as long as both are there.

Two tasks: one takes items and sends them, the other listens for the client going away (nobody
else would notice) and keeps the connection warm. A client that reads slowly holds the first one
back, and with it the generator.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel

from pegboard import entered
from pegboard_transport_http._event_stream import (
    HEARTBEAT,
    STREAM_END,
    STREAM_START,
    STREAM_STOPPED,
    error_frame,
    frame,
    retry_frame,
)
from pegboard_transport_http._exchange import Exchange
from pegboard_transport_http._header import Header, attachment, field, fields
from pegboard_transport_http._interruption import Interruption
from pegboard_transport_http._json import encode
from pegboard_transport_http._refusal import ClientGoneError, failure
from pegboard_transport_http._render import VARY

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from pegboard import CallContext
    from pegboard_transport_http._stream import Stream
    from pegboard_transport_http.config import HttpSettings

__all__ = ["Delivery"]

FAIRNESS = 64  # items after which other tasks get a turn, however fast generator and client are


class Delivery:
    """One stream on its way to one client.

    Args:
        exchange: The request; nothing has been answered yet.
        stream: The items; closed at the end in every case.
        context: Surroundings of the call that made the stream: its generator runs in them.
        settings: Heartbeat and deadlines.
    """

    def __init__(
        self, exchange: Exchange, stream: Stream, context: CallContext, settings: HttpSettings
    ) -> None:
        self._exchange = exchange
        self._stream = stream
        self._context = context
        self._settings = settings
        self._interruption = Interruption()
        self._waiting = False  # for the generator: the only place to break into
        self._writing = False
        self._client_left = False
        self._ending = False
        self._beat: anyio.Event | None = None
        self._sent = 0
        self._group: TaskGroup | None = None
        self._failure: Exception | None = None

    async def run(self) -> None:
        """Send the stream until it ends, fails, is told to end, or its client leaves.

        Raises:
            Exception: What the generator raises before anything was sent.
        """
        stream, exchange = self._stream, self._exchange
        try:
            if exchange.is_head:
                await exchange.start(200, self._headers())
                await exchange.write(b"", more=False)
                return
            async with anyio.create_task_group() as self._group:
                self._group.start_soon(self._produce, name="stream")
                await self._watch()
        finally:
            await stream.aclose()
        if self._failure is not None:
            raise self._failure

    def end(self) -> None:
        """Let an event stream end: the server stops. Other streams go on to their end."""
        if self._stream.is_event_stream:
            self._ending = True
            self._break_off()

    def is_for(self, subjects: Collection[str]) -> bool:
        """Whether the stream is for one of these sessions or users."""
        session = self._context.session
        return not session.anonymous and not {session.session_id, session.user_id}.isdisjoint(
            subjects
        )

    def _break_off(self) -> None:
        # A plain generator runs in a thread, which nothing can break into.
        if self._waiting and not self._stream.is_blocking:
            self._interruption.interrupt()

    # -- the client ------------------------------------------------------------------------

    async def _watch(self) -> None:
        while not self._client_left:
            with anyio.move_on_after(self._settings.heartbeat) as tick:
                message = await self._exchange.receive()
                self._client_left = message["type"] == "http.disconnect"
            if tick.cancelled_caught and self._stream.is_event_stream:
                await self._keep_alive()
        self._break_off()

    async def _keep_alive(self) -> None:
        if self._writing or not self._exchange.started:
            return
        self._beat = anyio.Event()
        try:
            await self._exchange.write(HEARTBEAT)
        except ClientGoneError:
            self._client_left = True
        finally:
            self._beat.set()
            self._beat = None

    # -- the items -------------------------------------------------------------------------

    async def _produce(self) -> None:
        try:
            with entered(self._context.app, self._context.request):
                if self._stream.is_event_stream:
                    await self._send_events()
                else:
                    await self._send_chunks()
        except ClientGoneError:
            pass
        except Exception as error:  # noqa: BLE001 - raised again by the task that answers
            self._failure = error
        finally:
            if self._group is not None:
                self._group.cancel_scope.cancel()

    async def _send_events(self) -> None:
        await self._start()
        await self._write(STREAM_START)
        try:
            await self._pump(self._send_event)
        except ClientGoneError:
            raise
        except Exception as error:  # noqa: BLE001 - becomes an event
            result = failure(error, self._what, dev=self._context.app.dev)
            await self._write(error_frame(result))
        if self._client_left:
            return
        if self._ending:
            await self._write(retry_frame(self._settings.retry))
        await self._write(STREAM_STOPPED if self._ending else STREAM_END)
        await self._write(b"", more=False)

    async def _send_chunks(self) -> None:
        """Send bytes; after the first, a failure leaves the response unfinished for all to see."""
        try:
            await self._pump(self._send_chunk)
            self._check_length(at_end=True)
        except ClientGoneError:
            raise
        except Exception as error:
            if not self._exchange.started:
                raise
            failure(error, self._what, dev=False)
            return
        if self._client_left:
            return
        if not self._exchange.started:
            await self._start()
        await self._write(b"", more=False)

    async def _pump(self, deliver: Callable[[Any], Awaitable[None]]) -> None:
        items = aiter(self._stream)
        count = 0
        with self._interruption:
            while not (self._client_left or self._ending):
                self._waiting = True
                try:
                    item = await anext(items)
                except StopAsyncIteration:
                    return
                finally:
                    self._waiting = False
                await deliver(item)
                count += 1
                if count % FAIRNESS == 0:
                    await anyio.lowlevel.checkpoint()

    async def _send_event(self, item: Any) -> None:
        await self._write(frame(item))

    async def _send_chunk(self, item: Any) -> None:
        chunk = _chunk(item)
        self._sent += len(chunk)
        self._check_length()
        if not self._exchange.started:
            await self._start()
        if chunk:
            await self._write(chunk)

    def _check_length(self, *, at_end: bool = False) -> None:
        announced = self._announced
        if announced is None or self._client_left:
            return
        if self._sent > announced or (at_end and self._sent < announced):
            msg = f"the stream has {self._sent} bytes or more, and {announced} were announced"
            raise ValueError(msg)

    async def _start(self) -> None:
        self._writing = True
        try:
            await self._exchange.start(200, self._headers())
        finally:
            self._writing = False

    async def _write(self, content: bytes, *, more: bool = True) -> None:
        while self._beat is not None:
            await self._beat.wait()
        self._writing = True
        try:
            await self._exchange.write(content, more=more)
        finally:
            self._writing = not more  # after the end, nothing may follow

    # -- the head --------------------------------------------------------------------------

    @property
    def _announced(self) -> int | None:
        names = {str(name).lower(): value for name, value in self._stream.headers.items()}
        length = names.get("content-length")
        return int(length) if length is not None else None

    @property
    def _what(self) -> str:
        return f"the stream of {self._exchange.scope['path']}"

    def _headers(self) -> list[Header]:
        stream = self._stream
        own = {str(name).lower(): value for name, value in stream.headers.items()}
        own.setdefault("content-type", stream.content_type)
        if stream.is_event_stream:
            own.setdefault("cache-control", "no-cache")
            own.setdefault("x-accel-buffering", "no")
        headers = fields(own)
        if not stream.is_event_stream:  # who wants nothing but the envelope is refused
            headers.append(VARY)
        if self._announced is not None:
            headers.append(field("content-length", str(self._announced)))
        if stream.filename:
            headers.append(attachment(stream.filename))
        return headers


def _chunk(item: Any) -> bytes:
    if isinstance(item, bytes):
        return item
    if isinstance(item, (bytearray, memoryview)):
        return bytes(item)
    if isinstance(item, str):
        return item.encode("utf-8", "replace")
    return encode(item) + b"\n"

"""What we add to Hypercorn's HTTP/2: flow control with an end, and an end that is said.

Hypercorn waits for a client that accepts nothing for as long as it keeps the connection, with every
answer that it does not take, however small, and lets an application add to what waits for such a
client without end. It makes its protocol in the middle of a connection, wherever that changes to
HTTP/2, so that the one place to put another class in is the attribute that holds it.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from hypercorn.protocol import ProtocolWrapper
from hypercorn.protocol.events import Body, Data, EndBody, EndData, StreamClosed
from hypercorn.protocol.h2 import (
    BUFFER_HIGH_WATER,
    BUFFER_LOW_WATER,
    BufferCompleteError,
    H2Protocol,
    StreamBuffer,
)

if TYPE_CHECKING:
    from hypercorn.protocol.events import Event

__all__ = ["bound_streams", "release", "say_goodbye"]

_WAITING = (Body, Data, EndBody, EndData)


def bound_streams(wrapper: Any) -> None:
    """Give up each HTTP/2 stream of a connection whose client accepts nothing for a while."""
    wrapper.__class__ = _Wrapper
    wrapper.protocol = wrapper.protocol


async def say_goodbye(wrapper: Any) -> None:
    """Tell an HTTP/2 client that its idle connection ends; Hypercorn just closes it."""
    if isinstance(wrapper.protocol, H2Protocol):
        with suppress(ProtocolError):
            wrapper.protocol.connection.close_connection()
            await wrapper.protocol._flush()  # noqa: SLF001 - nothing public sends what is due


async def release(wrapper: Any) -> None:
    """Wake what waits for the flow control of an HTTP/2 client that has gone.

    Hypercorn leaves such a request, its task and its connection where they are.
    """
    for buffer in list(getattr(wrapper.protocol, "stream_buffers", {}).values()):
        await buffer.close()


class _Wrapper(ProtocolWrapper):
    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, H2Protocol):
            value.__class__ = _Protocol
        super().__setattr__(name, value)


class _Buffer(StreamBuffer):
    """What waits for the client of one stream; who adds to it waits until there is room."""

    taken = 0

    async def push(self, data: bytes) -> None:
        if self._complete:
            raise BufferCompleteError
        self.buffer.extend(data)
        await self._is_empty.clear()
        await self.wait_for_room()

    async def wait_for_room(self) -> None:
        while len(self.buffer) >= BUFFER_HIGH_WATER and not self._complete:
            if self._paused.is_set():  # on trio, clearing it would forget who waits for it
                await self._paused.clear()
            await self._paused.wait()

    async def pop(self, max_length: int) -> bytes:
        data = bytes(self.buffer[:max_length])
        del self.buffer[:max_length]
        self.taken += len(data)
        if len(self.buffer) < BUFFER_LOW_WATER:
            await self._paused.set()
        if not self.buffer:
            await self._is_empty.set()
        return data


class _Protocol(H2Protocol):
    _turns = 0
    """How often something could be sent, as far as the connection as a whole goes."""

    async def stream_send(self, event: Event) -> None:
        buffer: Any = self.stream_buffers.get(event.stream_id)
        if buffer is None or not isinstance(event, _WAITING):
            await super().stream_send(event)
            return
        if not isinstance(buffer, _Buffer):  # Hypercorn makes it within a longer step
            buffer.__class__ = _Buffer
        timeout: float = getattr(self.config, "send_timeout")  # noqa: B009 - see GuardedConfig
        wait = partial(super().stream_send, event)
        while True:
            taken, turns = buffer.taken, self._turns
            with anyio.move_on_after(timeout) as limit:
                await wait()
            if not limit.cancelled_caught:
                return
            if buffer.taken == taken and self._is_shut(event.stream_id, since=turns):
                await self._give_up(event.stream_id)
                return
            if isinstance(event, (Body, Data)):
                wait = buffer.wait_for_room  # since the part lies in the buffer already

    def _is_shut(self, stream_id: int, *, since: int) -> bool:
        """Whether it is the client that keeps a stream waiting, and not the ones before it."""
        stream = self.connection.streams.get(stream_id)
        if stream is None or stream.outbound_flow_control_window <= 0:
            return True
        return self.connection.outbound_flow_control_window <= 0 and self._turns == since

    async def _give_up(self, stream_id: int) -> None:
        with suppress(ProtocolError):
            self.connection.reset_stream(stream_id, ErrorCodes.CANCEL)
        buffer = self.stream_buffers.get(stream_id)
        if buffer is not None:
            await buffer.close()
            self.priority.unblock(stream_id)  # so that Hypercorn forgets the stream
        await super().stream_send(StreamClosed(stream_id=stream_id))
        await self._flush()

    async def _send_data(self, stream_id: int) -> None:
        if self.connection.outbound_flow_control_window > 0:
            self._turns += 1
        await super()._send_data(stream_id)

"""What we add to Hypercorn's HTTP/2: flow control with an end, and an end that is said.

Hypercorn waits for a client that accepts nothing for as long as it keeps the connection, with every
answer that it does not take, however small. It makes its protocol in the middle of a connection,
wherever that changes to HTTP/2, so that the one place to put another class in is the attribute
that holds it.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import anyio
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from hypercorn.protocol import ProtocolWrapper
from hypercorn.protocol.events import Body, Data, EndBody, EndData, StreamClosed
from hypercorn.protocol.h2 import H2Protocol

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


class _Protocol(H2Protocol):
    async def stream_send(self, event: Event) -> None:
        buffer = self.stream_buffers.get(event.stream_id)
        if buffer is None or not isinstance(event, _WAITING):
            await super().stream_send(event)
            return
        timeout: float = getattr(self.config, "send_timeout")  # noqa: B009 - see GuardedConfig
        while True:
            left = len(buffer.buffer) + len(getattr(event, "data", b""))
            with anyio.move_on_after(timeout) as limit:
                await super().stream_send(event)
            if not limit.cancelled_caught:
                return
            if len(buffer.buffer) >= left:
                break
            if isinstance(event, (Body, Data)):
                return  # what is left of it lies in the buffer, and the next one waits for that
        with suppress(ProtocolError):
            self.connection.reset_stream(event.stream_id, ErrorCodes.CANCEL)
        await buffer.close()
        self.priority.unblock(event.stream_id)  # so that Hypercorn forgets the stream
        await super().stream_send(StreamClosed(stream_id=event.stream_id))
        await self._flush()

"""The flow control of HTTP/2 with an end: a client that accepts nothing loses its stream.

Hypercorn waits for such a client for as long as it keeps the connection, with every answer that it
does not take, however small. It makes its protocol in the middle of a connection, wherever that
changes to HTTP/2, so that the one place to put another class in is the attribute that holds it.
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

__all__ = ["bound_streams"]

_WAITING = (Body, Data, EndBody, EndData)


def bound_streams(wrapper: Any) -> None:
    """Give up each HTTP/2 stream of a connection whose client accepts nothing for a while."""
    wrapper.__class__ = _Wrapper
    wrapper.protocol = wrapper.protocol


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

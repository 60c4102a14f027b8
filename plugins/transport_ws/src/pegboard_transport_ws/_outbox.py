"""What waits to be sent on one connection: bounded, with a policy for when it is full. No I/O."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pegboard_transport_ws._frame import Frame
    from pegboard_transport_ws.config import WsConfig

__all__ = ["Outbox"]

FULL = 64


class Outbox:
    """A queue of frames, bounded by count and by bytes.

    A frame that is larger than all of the queue is taken while nothing else waits.

    Attributes:
        size: Bytes that wait.
        dropped: Frames that were lost since the queue was full.
    """

    __slots__ = ("_bytes_limit", "_drops_oldest", "_frames", "_limit", "dropped", "size")

    def __init__(self, config: WsConfig) -> None:
        self.size = 0
        self.dropped = 0
        self._frames: deque[Frame] = deque()
        self._limit = config.queue_messages
        self._bytes_limit = config.queue_bytes
        self._drops_oldest = config.slow_consumer == "drop_oldest"

    def put(self, frame: Frame) -> bool:
        """Add a frame; False if it was not taken since the queue is full."""
        if not self._fits(frame):
            if not self._drops_oldest:
                self.dropped += 1
                return False
            while not self._fits(frame):
                self.take()
                self.dropped += 1
        self._frames.append(frame)
        self.size += frame.size
        return True

    def take(self) -> Frame | None:
        """Return the frame that waits longest, None if there is none."""
        if not self._frames:
            return None
        frame = self._frames.popleft()
        self.size -= frame.size
        return frame

    def clear(self) -> None:
        """Drop everything."""
        self.dropped += len(self._frames)
        self._frames.clear()
        self.size = 0

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def pressure(self) -> int:
        """How full the queue is, from 0 for empty to 64 for full; more with a very large frame."""
        by_count = len(self._frames) * FULL // self._limit
        return max(by_count, self.size * FULL // self._bytes_limit)

    def _fits(self, frame: Frame) -> bool:
        waiting = len(self._frames)
        return not waiting or (
            waiting < self._limit and self.size + frame.size <= self._bytes_limit
        )

"""Channels: rooms of open WebSocket connections."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

__all__ = ["ChannelStatistics", "Channels"]


class ChannelStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What the sockets of an app do.

    Attributes:
        connections: Sockets that are open.
        channels: Members of each channel that has any.
        queued: Messages that wait to be sent.
        queued_bytes: Bytes that wait to be sent.
        sent: Messages handed to the server since the start.
        received: Messages from clients since the start.
        dropped: Messages lost since the start because a queue was full or its connection closed.
        slow_closed: Connections closed since the start because they took nothing.
    """

    connections: int
    channels: dict[str, int]
    queued: int
    queued_bytes: int
    sent: int
    received: int
    dropped: int
    slow_closed: int


class Channels(Protocol):
    """Sends to connections by id and to channels by name (`Mod/handler`, or any joined name)."""

    async def send(self, conn_id: str, payload: Any) -> bool:
        """Queue `payload` (bytes as they are, all else as JSON); False if nobody has that id."""
        ...

    async def broadcast(self, channel_id: str, payload: Any, source_conn_id: str = "") -> int:
        """Queue `payload`, encoded once, for each member but `source_conn_id`; return how many."""
        ...

    async def join(self, conn_id: str, channel_id: str) -> bool:
        """Add the connection to the channel; False if nobody has that id."""
        ...

    async def leave(self, conn_id: str, channel_id: str) -> bool:
        """Take the connection out of the channel; False if it was not in it."""
        ...

    def connections(self, channel_id: str | None = None) -> list[str]:
        """Return the ids of a channel's members, or of all open connections."""
        ...

    async def close(self, conn_id: str, code: int = 1000, reason: str = "") -> bool:
        """Close a connection after what waits for it is sent; False if nobody has that id."""
        ...

    def statistics(self) -> ChannelStatistics:
        """Return what the connections do now and have done since the start."""
        ...

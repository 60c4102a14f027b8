"""Channels: rooms of open WebSocket connections."""

from __future__ import annotations

from typing import Any, Protocol

__all__ = ["Channels"]


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

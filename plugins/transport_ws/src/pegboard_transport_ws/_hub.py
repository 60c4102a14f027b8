"""The channels of one app: who is in which, and how everyone in one is reached."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from anyio import lowlevel, sleep

from pegboard.contracts.channel import ChannelStatistics
from pegboard.errors import TooLargeError
from pegboard_transport_ws._frame import encode

if TYPE_CHECKING:
    from pegboard_transport_ws._connection import Connection
    from pegboard_transport_ws._sender import SenderPool
    from pegboard_transport_ws.config import WsConfig

__all__ = ["Hub"]

SAMPLE = 8
"""Receivers of a broadcast that tell how far the sending is behind."""

LONGEST_TICK = 1.0  # seconds between two looks at the connections, at most


class Hub:
    """The `Channels` service. To be used on the event loop.

    A payload is encoded once and put into the queue of each receiver, from where a pool of tasks
    sends it, so that a slow connection delays nobody. The fuller the queues, the longer does a call
    yield to the event loop, for them to move; a handler that sends to its own client waits for it.

    Attributes:
        config: The settings.
        senders: The tasks that send.
        slow_closed: Connections closed because they took nothing.
    """

    def __init__(self, config: WsConfig) -> None:
        self.config = config
        self.senders: SenderPool
        self.slow_closed = 0
        self._connections: dict[str, Connection] = {}
        self._channels: dict[str, dict[str, Connection]] = {}
        self._sent = self._received = self._dropped = 0

    # -- the contract ----------------------------------------------------------------------

    async def send(self, conn_id: str, payload: Any) -> bool:
        """Queue `payload` (bytes as they are, all else as JSON); False if nobody has that id.

        Raises:
            TypeError: If the payload cannot be expressed in JSON.
        """
        connection = self._connections.get(conn_id)
        if connection is None:
            return False
        is_queued = connection.put(encode(payload))
        if connection.is_own:
            await connection.wait_for_room()
        else:
            await _yield(connection.outbox.pressure)
        return is_queued

    async def broadcast(self, channel_id: str, payload: Any, source_conn_id: str = "") -> int:
        """Queue `payload`, encoded once, for each member but `source_conn_id`; return how many.

        Raises:
            TypeError: If the payload cannot be expressed in JSON.
        """
        # A copy, since a full queue may close its connection and take it out of the channel.
        members = tuple(self._channels.get(channel_id, {}).values())
        if not members:
            return 0
        frame = encode(payload)
        count = 0
        for member in members:
            if member.id != source_conn_id and member.put(frame):
                count += 1
        # The best of a few: if even that one is behind, sending is; a slow one delays nobody.
        await _yield(1 + min(member.outbox.pressure for member in members[:SAMPLE]))
        return count

    async def join(self, conn_id: str, channel_id: str) -> bool:
        """Add the connection to the channel; False if nobody has that id.

        Raises:
            TooLargeError: If the connection is in as many channels as it may be.
        """
        connection = self._connections.get(conn_id)
        if connection is None or connection.closing:
            return False
        self._enter(connection, channel_id)
        return True

    async def leave(self, conn_id: str, channel_id: str) -> bool:
        """Take the connection out of the channel; False if it was not in it."""
        connection = self._connections.get(conn_id)
        if connection is None or channel_id not in connection.channels:
            return False
        self._exit(connection, channel_id)
        return True

    def connections(self, channel_id: str | None = None) -> list[str]:
        """Return the ids of a channel's members, or of all open connections."""
        if channel_id is None:
            return [each.id for each in self._connections.values() if not each.closing]
        return list(self._channels.get(channel_id, ()))

    # -- beyond the contract ---------------------------------------------------------------

    async def close(self, conn_id: str, code: int = 1000, reason: str = "") -> bool:
        """Close a connection after what waits for it is sent; False if nobody has that id."""
        connection = self._connections.get(conn_id)
        return connection is not None and connection.close(code, reason)

    def statistics(self) -> ChannelStatistics:
        """Return what the sockets do now and have done since the start."""
        present = self._connections.values()
        return ChannelStatistics(
            connections=len(present),
            channels={name: len(members) for name, members in self._channels.items()},
            queued=sum(len(each.outbox) for each in present),
            queued_bytes=sum(each.outbox.size for each in present),
            sent=self._sent + sum(each.sent for each in present),
            received=self._received + sum(each.received for each in present),
            dropped=self._dropped + sum(each.outbox.dropped for each in present),
            slow_closed=self.slow_closed,
        )

    # -- for connections and the transport -------------------------------------------------

    def add(self, connection: Connection, channel_id: str) -> None:
        """Take a connection, a member of its handler's channel from now on."""
        self._connections[connection.id] = connection
        self._enter(connection, channel_id)

    def retire(self, connection: Connection) -> None:
        """Take a connection that is about to close out of its channels."""
        for channel_id in tuple(connection.channels):
            self._exit(connection, channel_id)

    def remove(self, connection: Connection) -> None:
        """Forget a connection that has ended."""
        self.retire(connection)
        del self._connections[connection.id]
        self._sent += connection.sent
        self._received += connection.received
        self._dropped += connection.outbox.dropped

    def take_over(self, previous: Hub) -> list[Connection]:
        """Take all connections, with their channels and counters, from another hub."""
        taken = previous.members()
        self._connections, previous._connections = previous._connections, {}
        self._channels, previous._channels = previous._channels, {}
        self._sent, self._received = previous._sent, previous._received
        self._dropped, self.slow_closed = previous._dropped, previous.slow_closed
        return taken

    def members(self) -> list[Connection]:
        """Return all connections, also those about to close."""
        return list(self._connections.values())

    async def watch(self) -> None:
        """Cut what stands still; runs as long as the transport does."""
        config = self.config
        deadlines = [config.send_timeout, config.close_timeout, config.idle_timeout or LONGEST_TICK]
        tick = min(LONGEST_TICK, min(deadlines) / 4)
        while True:
            await sleep(tick)
            self._check(monotonic())

    def _check(self, now: float) -> None:
        for connection in self.members():
            connection.check(now)

    def _enter(self, connection: Connection, channel_id: str) -> None:
        limit = self.config.max_channels
        if len(connection.channels) >= limit and channel_id not in connection.channels:
            msg = f"connection {connection.id} is in {limit} channels, which is as many as it may"
            raise TooLargeError(msg)
        connection.channels.add(channel_id)
        self._channels.setdefault(channel_id, {})[connection.id] = connection

    def _exit(self, connection: Connection, channel_id: str) -> None:
        connection.channels.discard(channel_id)
        members = self._channels[channel_id]
        del members[connection.id]
        if not members:
            del self._channels[channel_id]


async def _yield(rounds: int) -> None:
    """Let others run, a number of times."""
    for _ in range(rounds):
        await lowlevel.checkpoint()

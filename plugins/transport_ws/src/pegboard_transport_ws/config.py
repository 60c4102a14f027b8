"""The settings of `[plugins.transport_ws]`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

__all__ = ["WsConfig"]

Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]


class WsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set about open sockets. The server decides about pings and frames.

    Attributes:
        max_message: Bytes of one message from a client; more closes the socket with 1009.
        max_connections: Sockets that are open at once; more are refused with 503.
        max_connections_per_client: The same for one client address, 0 for no such limit: behind a
            proxy all clients have the proxy's address.
        max_channels: Channels that one connection may be in.
        queue_messages: Messages that wait for one connection.
        queue_bytes: Bytes that wait for one connection; a single message may be larger.
        slow_consumer: What a full queue means: `close` ends the connection with 1013,
            `drop_oldest` and `drop_newest` lose messages and count them.
        send_timeout: Seconds after which a connection that takes no byte is cut.
        idle_timeout: Seconds without a message from the client until it is closed with 1001;
            0 for never. Pings do not count: servers answer them unseen.
        connect_timeout: Seconds that finding out who asks, and then `on_connect`, may take.
        close_timeout: Seconds from the decision to close until the connection is cut, together
            with a handler that still runs for it.
        disconnect_timeout: Seconds that `on_disconnect` may take.
        allowed_origins: Origins of web pages that may connect besides pages from the same host,
            such as `https://example.org`; `*` for all. Clients that send no Origin may.
        allowed_hosts: Names, without port, under which clients reach this server, such as
            `localhost`; none for any. A page whose name was made to lead here (DNS rebinding) is
            refused only with such a list.
        subprotocols: Subprotocols that are spoken; the first of the client's that is among them is
            agreed on.
    """

    max_message: Annotated[int, msgspec.Meta(ge=1, le=1_073_741_824)] = 1024 * 1024
    max_connections: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 10_000
    max_connections_per_client: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0
    max_channels: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1_000
    queue_messages: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1_024
    queue_bytes: Annotated[int, msgspec.Meta(ge=1, le=1_073_741_824)] = 8 * 1024 * 1024
    slow_consumer: Literal["close", "drop_oldest", "drop_newest"] = "close"
    send_timeout: Seconds = 20.0
    idle_timeout: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 0.0
    connect_timeout: Seconds = 10.0
    close_timeout: Seconds = 3.0
    disconnect_timeout: Seconds = 5.0
    allowed_origins: tuple[str, ...] = ()
    allowed_hosts: tuple[str, ...] = ()
    subprotocols: tuple[str, ...] = ()

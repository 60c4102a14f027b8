"""The settings of `[plugins.server_uvicorn]`."""

from __future__ import annotations

from typing import Annotated

import msgspec

__all__ = ["UvicornConfig"]


class UvicornConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set about uvicorn beyond what every server is told.

    Attributes:
        keep_alive: Seconds that an idle connection stays open for its next request, or one longer.
        backlog: Connections that the system holds before they are accepted.
        head_limit: Bytes of the headers of one request; more is answered with 431.
        websocket_limit: Bytes of one WebSocket message; more closes the socket with 1009.
        websocket_ping: Seconds between pings on an open socket; 0 sends none.
        websocket_pong: Seconds that a socket may take to answer a ping.
        websocket_deflate: Whether messages are compressed for clients that offer it.
    """

    keep_alive: Annotated[int, msgspec.Meta(ge=1, le=3600)] = 5
    backlog: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 2048
    head_limit: Annotated[int, msgspec.Meta(ge=1024, le=1_048_576)] = 65_536
    websocket_limit: Annotated[int, msgspec.Meta(ge=1, le=1_073_741_824)] = 16 * 1024 * 1024
    websocket_ping: Annotated[float, msgspec.Meta(ge=0)] = 20.0
    websocket_pong: Annotated[float, msgspec.Meta(gt=0)] = 20.0
    websocket_deflate: bool = False

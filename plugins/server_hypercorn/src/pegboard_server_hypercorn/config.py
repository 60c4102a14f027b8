"""The settings of `[plugins.server_hypercorn]`."""

from __future__ import annotations

from typing import Annotated

import msgspec

__all__ = ["HypercornConfig"]


class HypercornConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set about Hypercorn beyond what every server is told.

    Attributes:
        keep_alive: Seconds that an idle connection stays open for its next request.
        backlog: Connections that the system holds before they are accepted.
        head_limit: Bytes of the headers of one request; more is answered with 431.
        streams: Requests that one HTTP/2 connection may have open at once.
        websocket_limit: Characters or bytes of one WebSocket message; more closes it with 1009.
        websocket_ping: Seconds between pings on an open socket; 0 sends none.
    """

    keep_alive: Annotated[float, msgspec.Meta(gt=0, le=3600)] = 5.0
    backlog: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 2048
    head_limit: Annotated[int, msgspec.Meta(ge=1024, le=1_048_576)] = 65_536
    streams: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 100
    websocket_limit: Annotated[int, msgspec.Meta(ge=1, le=1_073_741_824)] = 16 * 1024 * 1024
    websocket_ping: Annotated[float, msgspec.Meta(ge=0)] = 20.0

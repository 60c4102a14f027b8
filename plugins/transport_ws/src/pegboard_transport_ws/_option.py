"""The `@export` keywords of this plugin."""

from __future__ import annotations

import msgspec

__all__ = ["WsOptions"]


class WsOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Make an export the register function of a WebSocket handler.

    The function takes the app or nothing, is called once when its mod is loaded, and returns a
    dict with any of `on_connect`, `on_message` and `on_disconnect`. It cannot be called as an
    export.

    Attributes:
        websocket_handler: Last part of the path `/ws/{mod}/{handler}`.
        websocket_context: Whether handlers receive a `WebSocketContext` as `ws_context`.
    """

    websocket_handler: str | None = None
    websocket_context: bool = False

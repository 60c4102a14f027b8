"""Serve handlers of mods over WebSocket: channels, send and broadcast with bounded queues."""

from pegboard_transport_ws._context import WebSocketContext
from pegboard_transport_ws._hub import Hub
from pegboard_transport_ws._option import WsOptions
from pegboard_transport_ws.config import WsConfig

__all__ = ["Hub", "WebSocketContext", "WsConfig", "WsOptions"]

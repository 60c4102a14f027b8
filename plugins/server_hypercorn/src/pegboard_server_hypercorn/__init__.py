"""Serve a Pegboard app with Hypercorn: HTTP/1.1, HTTP/2, TLS, WebSocket, on asyncio and trio."""

from pegboard_server_hypercorn.config import HypercornConfig
from pegboard_server_hypercorn.server import HypercornServer

__all__ = ["HypercornConfig", "HypercornServer"]

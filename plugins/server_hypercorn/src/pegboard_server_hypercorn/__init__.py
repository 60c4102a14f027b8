"""Serve a Pegboard app with Hypercorn: HTTP/1.1, HTTP/2, TLS, WebSocket, on asyncio and trio."""

from pegboard_server_hypercorn._server import HypercornServer
from pegboard_server_hypercorn.config import HypercornConfig

__all__ = ["HypercornConfig", "HypercornServer"]

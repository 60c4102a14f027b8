"""Serve a Pegboard app with uvicorn: HTTP/1.1 and WebSocket, fast, on asyncio."""

from pegboard_server_uvicorn._server import UvicornServer
from pegboard_server_uvicorn.config import UvicornConfig

__all__ = ["UvicornConfig", "UvicornServer"]

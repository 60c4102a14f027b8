"""Serve a Pegboard app with uvicorn: HTTP/1.1 and WebSocket, fast, on asyncio."""

from pegboard_server_uvicorn.config import UvicornConfig
from pegboard_server_uvicorn.server import UvicornServer

__all__ = ["UvicornConfig", "UvicornServer"]

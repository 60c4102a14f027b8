"""pegboard.js: calls, streams, sockets, events and state for web pages."""

from pegboard_web_client._asset import client_url
from pegboard_web_client._typescript import typescript

__all__ = ["client_url", "typescript"]

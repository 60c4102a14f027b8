"""One WebSocket: uvicorn's, which does not wait long for a client that has been told goodbye."""

from __future__ import annotations

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

__all__ = ["PromptWebSocket"]

_CLOSE_TIMEOUT = 2.0
"""Seconds for the client's answer to a close frame; uvicorn's ten would be those of every stop."""


class PromptWebSocket(WebSocketsSansIOProtocol):
    """A WebSocket that ends two seconds after the application closed it, answered or not."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.close_timeout = _CLOSE_TIMEOUT

"""One WebSocket: uvicorn's, which does not wait long for a client that has been told goodbye."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

if TYPE_CHECKING:
    from typing import ClassVar

__all__ = ["PromptWebSocket"]

_CLOSE_TIMEOUT = 2.0
"""Seconds for the client's answer to a close frame; uvicorn's ten would be those of every stop."""

_access_logger = logging.getLogger("uvicorn.access")


class PromptWebSocket(WebSocketsSansIOProtocol):
    """A WebSocket that ends two seconds after the application closed it, answered or not.

    Attributes:
        log_requests: Whether each handshake is logged.
    """

    log_requests: ClassVar[bool] = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.close_timeout = _CLOSE_TIMEOUT
        self.logger: Any = _Log(self.logger, log_requests=self.log_requests)
        self._app, self.app = self.app, self._serve

    async def _serve(self, *asgi: Any) -> None:
        await self._app(*asgi)
        if self.initial_response is not None and self.close_sent:
            # A refusal with a status and a body is an answer too; uvicorn reports it as an error.
            self.handshake_complete = True


class _Log(logging.LoggerAdapter[logging.Logger]):
    """What uvicorn says of a socket: a handshake belongs to the access log, as requests do."""

    level = logging.WARNING  # which uvicorn looks at before it traces

    def __init__(self, logger: logging.Logger, *, log_requests: bool) -> None:
        super().__init__(logger)
        self._log_requests = log_requests

    def info(self, msg: object, *args: object, **kwargs: Any) -> None:
        if self._log_requests:
            _access_logger.info(msg, *args, **kwargs)

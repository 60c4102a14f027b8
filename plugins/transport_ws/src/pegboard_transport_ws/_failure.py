"""What a client is told of a handler that raised, and what the log is told."""

from __future__ import annotations

import logging
import secrets
import traceback
from typing import TYPE_CHECKING, Any

from pegboard import PegboardError

if TYPE_CHECKING:
    from pegboard import App

__all__ = ["FIRST_SERVER_ERROR", "describe"]

FIRST_SERVER_ERROR = 500

_logger = logging.getLogger("pegboard.transport_ws")


def describe(app: App, error: BaseException, what: str) -> dict[str, Any]:
    """Return the message for the client; what is not the client's fault is logged.

    Args:
        app: The app; one in development shows tracebacks to clients.
        error: What was raised.
        what: What failed, for the log.
    """
    code = error.code if isinstance(error, PegboardError) else "internal"
    if isinstance(error, PegboardError) and error.status < FIRST_SERVER_ERROR:
        return {"type": "error", "message": str(error), "code": code}
    error_id = secrets.token_hex(4)
    _logger.error("%s failed, error id %s", what, error_id, exc_info=error)
    app.count("calls_failed")
    text = f"internal error, id {error_id}"
    if app.dev:
        text = f"{text}\n{''.join(traceback.format_exception(error))}"
    return {"type": "error", "message": text, "code": code, "error_id": error_id}

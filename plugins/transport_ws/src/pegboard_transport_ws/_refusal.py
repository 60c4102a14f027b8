"""How a handshake is refused."""

from __future__ import annotations

from contextlib import suppress
from math import ceil
from typing import TYPE_CHECKING, Any

import msgspec

from pegboard import Result
from pegboard.errors import UnauthorizedError, UnavailableError

if TYPE_CHECKING:
    from pegboard import PegboardError
    from pegboard.contracts.asgi import Scope, Send

__all__ = [
    "FORBIDDEN",
    "HTTP_ERRORS",
    "POLICY_VIOLATION",
    "Refusal",
    "refuse",
    "shortened",
    "verdict",
]

POLICY_VIOLATION = 1008
FORBIDDEN = 403
HTTP_ERRORS = range(400, 600)


class Refusal(msgspec.Struct, frozen=True):
    """Why a client may not connect.

    Attributes:
        status: HTTP status of the answer.
        reason: One line for people.
        headers: What the answer says besides.
    """

    status: int
    reason: str
    headers: tuple[tuple[bytes, bytes], ...] = ()

    @classmethod
    def of(cls, error: PegboardError) -> Refusal:
        """Refuse with the status and the text of an error that was raised on purpose."""
        headers: tuple[tuple[bytes, bytes], ...] = ()
        if isinstance(error, UnauthorizedError):
            headers = ((b"www-authenticate", b'Bearer realm="pegboard"'),)
        elif isinstance(error, UnavailableError) and error.retry_after is not None:
            headers = ((b"retry-after", b"%d" % ceil(error.retry_after)),)
        return cls(error.status, str(error), headers)


def verdict(answer: Any) -> Refusal | None:
    """Return what an answer of `on_connect` means: None where the client is welcome."""
    if answer is False:
        return Refusal(FORBIDDEN, "the handler refused the connection")
    if isinstance(answer, Result) and answer.is_error():
        code = answer.info.exec_code
        status = code if code in HTTP_ERRORS else FORBIDDEN
        return Refusal(status, answer.info.help_text)
    if isinstance(answer, dict) and not answer.get("accept", True):
        return Refusal(FORBIDDEN, str(answer.get("reason") or "the handler refused the connection"))
    return None


async def refuse(scope: Scope, send: Send, refusal: Refusal) -> None:
    """Answer a handshake with an HTTP status and the error envelope.

    A server that lacks the ASGI extension `websocket.http.response` is told to close with 1008
    instead, which it makes a bare 403 of.
    """
    with suppress(OSError):  # the client has gone already
        if "websocket.http.response" in (scope.get("extensions") or {}):
            await _deny(send, refusal)
        else:
            reason = shortened(refusal.reason)
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": reason})


async def _deny(send: Send, refusal: Refusal) -> None:
    envelope = Result.default_user_error(info=refusal.reason, exec_code=refusal.status)
    body = msgspec.json.encode(envelope)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        *refusal.headers,
    ]
    status = refusal.status
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})


def shortened(reason: str) -> str:
    """Cut a close reason to the 123 bytes that fit a control frame (RFC 6455 section 5.5)."""
    return reason.encode("utf-8", "replace")[:123].decode("utf-8", "ignore")

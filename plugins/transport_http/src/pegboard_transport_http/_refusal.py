"""Requests that are refused before an export is asked, and the result that says so."""

from __future__ import annotations

import logging
import secrets
import traceback
from collections.abc import Sequence
from math import ceil
from typing import TYPE_CHECKING, Any

from pegboard import Result
from pegboard.errors import (
    InputError,
    MethodNotAllowedError,
    PegboardError,
    TooLargeError,
    TooManyRequestsError,
    UnauthorizedError,
    UnavailableError,
)
from pegboard_transport_http._render import VARY, Response, envelope
from pegboard_transport_http._status import error_status

if TYPE_CHECKING:
    from pegboard_transport_http._header import Header

__all__ = [
    "ClientGoneError",
    "MalformedRequestError",
    "NotAcceptableError",
    "PreconditionError",
    "RangeError",
    "SlowBodyError",
    "failure",
    "refusal",
    "retry_after",
]

_logger = logging.getLogger("pegboard.http")

FIRST_SERVER_ERROR = 500


class MalformedRequestError(InputError):
    """The request is not HTTP as it should be; its connection cannot be trusted any more."""

    code = "malformed"


class SlowBodyError(InputError):
    """The body does not come in fast enough."""

    code = "timeout"
    status = 408


class NotAcceptableError(InputError):
    """The client accepts nothing that this result could be sent as."""

    code = "not_acceptable"
    status = 406


class PreconditionError(InputError):
    """A condition of the request does not hold."""

    code = "precondition"
    status = 412


class RangeError(InputError):
    """None of the ranges asked for exists.

    Attributes:
        size: How many bytes there are.
    """

    code = "range"
    status = 416

    def __init__(self, size: int) -> None:
        super().__init__(f"none of these ranges exists: there are {size} bytes")
        self.size = size


_ENDING = (MalformedRequestError, SlowBodyError, TooLargeError)
"""Errors after which what else comes on the connection cannot be used."""


_TEMPORARY = (TooManyRequestsError, UnavailableError)
"""Errors that may know when to try again."""


class ClientGoneError(Exception):
    """The client went away before request and response were complete: nobody can be answered."""


def refusal(
    error: Exception,
    headers: Sequence[Header] = (),
    *,
    what: str = "request",
    dev: bool = False,
    origin: tuple[str, ...] | None = None,
) -> Response:
    """Return the response that tells a client of an error: its envelope, with fitting headers.

    What is not the client's fault is logged.

    Args:
        error: What was raised.
        headers: Headers to add.
        what: What was going on, for the log.
        dev: Whether the client is shown a traceback.
        origin: The export that was asked for.
    """
    result = failure(error, what, dev=dev)
    result.origin = origin
    response = envelope(result, error_status(result))
    response.headers.extend(headers)
    if isinstance(error, _ENDING):
        response.headers.append((b"connection", b"close"))
    elif isinstance(error, NotAcceptableError):
        response.headers.append(VARY)
    elif isinstance(error, MethodNotAllowedError):
        response.headers.append((b"allow", ", ".join(error.allowed).encode("ascii")))
    elif isinstance(error, UnauthorizedError):
        response.headers.append((b"www-authenticate", b'Bearer realm="pegboard"'))
    response.headers.extend(retry_after(error))
    return response


def retry_after(error: BaseException | None) -> list[Header]:
    """Return the header that says when to try again, where the error knows it."""
    if isinstance(error, _TEMPORARY) and error.retry_after is not None:
        return [(b"retry-after", b"%d" % ceil(error.retry_after))]
    return []


def failure(error: Exception, what: str, *, dev: bool) -> Result[Any]:
    """Return the result that tells a client of an error, and log what is not its fault.

    Args:
        error: What was raised.
        what: What was going on, for the log.
        dev: Whether the client is shown a traceback.

    Returns:
        An error; its data has the `error_id` under which the log has the rest, if it has any.
    """
    if isinstance(error, PegboardError) and error.status < FIRST_SERVER_ERROR:
        return Result.from_error(error)
    error_id = secrets.token_hex(4)
    _logger.error("%s failed, error id %s", what, error_id, exc_info=error)
    if isinstance(error, PegboardError):
        return Result.from_error(error)
    text = f"internal error, id {error_id}"
    if dev:
        text = f"{text}\n{''.join(traceback.format_exception(error))}"
    return Result.unexpected(text, {"error_id": error_id})

"""The exception tree: one class for each thing a caller can do about a failure.

Each class has a stable `code`, the same in Python, over HTTP and over a WebSocket, and the HTTP
`status` it travels with. A message says what happened, where, and the next step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from pegboard._result import Result

__all__ = [
    "AccessError",
    "ConfigError",
    "ConflictError",
    "CorruptError",
    "ExportError",
    "ForbiddenError",
    "InputError",
    "LoadError",
    "MethodNotAllowedError",
    "MissingPluginError",
    "NotFoundError",
    "PegboardError",
    "PluginError",
    "TooLargeError",
    "TooManyRequestsError",
    "UnauthorizedError",
    "UnavailableError",
    "UnsupportedMediaError",
]


FIRST_SERVER_ERROR = 500


class PegboardError(Exception):
    """Root of all errors that Pegboard raises on purpose.

    Raised inside an export it reaches the client as an envelope with its message and status; any
    other exception becomes an InternalError whose text stays in the log.
    """

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500


class ConfigError(PegboardError):
    """A setting, option or declaration is wrong: the author has to change it."""

    code = "config"


class LoadError(PegboardError):
    """A mod or plugin could not be loaded: its source has to be mended."""

    code = "load"


class PluginError(PegboardError):
    """A plugin failed, is incompatible, or is in a circle of requirements."""

    code = "plugin"


class MissingPluginError(PluginError):
    """Something was asked for that a plugin which is not active would give."""

    code = "missing_plugin"
    status = 501

    def __init__(self, what: str, distribution: str) -> None:
        super().__init__(f"{what} needs a plugin that is not active: pip install {distribution}")
        self.distribution = distribution


class InputError(PegboardError):
    """What the caller sent is wrong: the caller has to send something else."""

    code = "input"
    status = 400


class TooLargeError(InputError):
    """The body, a part, a field or a message is above its limit."""

    code = "too_large"
    status = 413


class UnsupportedMediaError(InputError):
    """The content type or content coding of the body is not understood here."""

    code = "unsupported_media"
    status = 415


class NotFoundError(PegboardError):
    """There is nothing at that address."""

    code = "not_found"
    status = 404


class MethodNotAllowedError(PegboardError):
    """The export exists, and does not answer this HTTP method."""

    code = "method_not_allowed"
    status = 405

    def __init__(self, method: str, allowed: tuple[str, ...]) -> None:
        super().__init__(f"method {method} is not allowed here; allowed: {', '.join(allowed)}")
        self.allowed = allowed


class ConflictError(PegboardError):
    """The thing was changed, or is held, by somebody else."""

    code = "conflict"
    status = 409


class CorruptError(PegboardError):
    """What is kept is damaged, or was changed by somebody who may not: a copy has to be put back.

    Attributes:
        recoverable: Whether a sound copy of earlier content is at hand.
    """

    code = "corrupt"

    def __init__(self, message: str, *, recoverable: bool = False) -> None:
        super().__init__(message)
        self.recoverable = recoverable


class AccessError(PegboardError):
    """The caller may not do this."""

    code = "denied"
    status = 403


class UnauthorizedError(AccessError):
    """The caller is not signed in and would have to be."""

    code = "unauthorized"
    status = 401


class ForbiddenError(AccessError):
    """The caller is known and its level is too low."""

    code = "forbidden"


class UnavailableError(PegboardError):
    """A service does not answer now.

    Attributes:
        retry_after: Seconds after which to try again, or None where that is not known.
    """

    code = "unavailable"
    status = 503

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TooManyRequestsError(PegboardError):
    """The caller asks more often than it may: it has to wait.

    Attributes:
        retry_after: Seconds after which it may ask again.
    """

    code = "too_many_requests"
    status = 429

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ExportError(PegboardError):
    """An export with `row=True` failed in process.

    Attributes:
        result: The error `Result` that a caller without `row` would have received.
    """

    code = "export"

    def __init__(self, result: Result[Any]) -> None:
        super().__init__(result.info.help_text or result.error)
        self.result = result

"""What can go wrong with a lock or a check-out."""

from __future__ import annotations

from pegboard.errors import AccessError, ConflictError, NotFoundError

__all__ = [
    "AlreadyHeldError",
    "CheckedOutError",
    "FileMissingError",
    "LockedError",
    "NotCheckedOutError",
    "NotOwnerError",
    "StaleCheckoutError",
]


class LockedError(ConflictError, TimeoutError):
    """Somebody else held the lock for as long as the caller would wait."""


class AlreadyHeldError(ConflictError, RuntimeError):
    """Whoever asks for the lock has it already, and would wait for itself."""


class CheckedOutError(ConflictError, ValueError):
    """Somebody has the file checked out."""


class NotCheckedOutError(ConflictError, ValueError):
    """Nobody has the file checked out, or not any more."""


class NotOwnerError(AccessError, ValueError):
    """The file is checked out, by somebody else."""


class StaleCheckoutError(ConflictError):
    """The check-out was given to somebody else meanwhile, or the file is not what it was then.

    Nothing was changed. Get the newest version, merge, and check out again.
    """


class FileMissingError(NotFoundError, ValueError):
    """There is no such file in the repository."""

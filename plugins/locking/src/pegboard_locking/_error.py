"""What can go wrong with a lock."""

from __future__ import annotations

from pegboard.errors import ConflictError

__all__ = ["AlreadyHeldError", "LockedError"]


class LockedError(ConflictError, TimeoutError):
    """Somebody else held the lock for as long as the caller would wait."""


class AlreadyHeldError(ConflictError, RuntimeError):
    """Whoever asks for the lock has it already, and would wait for itself."""

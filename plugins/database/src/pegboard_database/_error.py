"""What can go wrong with a database, divided by what the caller can do about it."""

from __future__ import annotations

from typing import ClassVar

from pegboard.errors import ConflictError, PegboardError, UnavailableError

__all__ = [
    "BusyError",
    "ClosedError",
    "ConstraintError",
    "CorruptError",
    "FullError",
    "StatementError",
]


class BusyError(UnavailableError):
    """Others held the write lock, or the queue was full, for as long as we would wait.

    Nothing was written; trying again later may succeed.
    """


class FullError(UnavailableError):
    """The disk is full or a write failed; nothing was written."""


class ClosedError(UnavailableError):
    """The database was closed, or cannot be opened."""


class ConstraintError(ConflictError):
    """A constraint of the schema refused a row: a key that exists, a value that may not be."""


class CorruptError(PegboardError):
    """The file is damaged, or is no database."""

    code: ClassVar[str] = "corrupt"


class StatementError(PegboardError):
    """A statement is wrong; the cause of this error is what SQLite says about it."""

    code: ClassVar[str] = "statement"

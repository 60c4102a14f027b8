"""What can go wrong with files, versions and backups.

Each is also the built-in exception that the documented calls raise.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pegboard.errors import (
    ConflictError,
    InputError,
    NotFoundError,
    PegboardError,
    UnavailableError,
)
from pegboard_durable import DurableError, OutsideRootError
from pegboard_durable import translated as told_by_the_system

__all__ = [
    "DamagedError",
    "ExistsError",
    "FormatError",
    "IntegrityError",
    "KeyMismatchError",
    "MissingError",
    "OptionError",
    "PathError",
    "UnstableError",
    "WriteError",
    "translated",
]


class PathError(InputError, PermissionError):
    """A path leads out of the folder that it has to stay in, or to what is no plain file."""


class MissingError(NotFoundError, FileNotFoundError):
    """There is no such file, version or backup."""


class ExistsError(ConflictError, FileExistsError):
    """There is a backup of that name already."""


class WriteError(UnavailableError, OSError):
    """The file system refused: disk full, read-only or failing. The old content is there."""

    def __init__(self, message: str) -> None:
        UnavailableError.__init__(self, message)


class IntegrityError(PegboardError, RuntimeError):
    """A content is not what its checksum says."""

    code = "integrity"


class DamagedError(IntegrityError):
    """What was stored is damaged; the message says what is lost by it, and the rest is readable."""

    code = "damaged"


class FormatError(IntegrityError, ValueError):
    """A file is not what it should be: no JSON, or no text."""

    code = "format"


class OptionError(InputError, ValueError):
    """An argument of a call is none of those that there are."""


class UnstableError(ConflictError):
    """A file kept changing while it was read."""


class KeyMismatchError(PegboardError):
    """A backup is encrypted and the key is missing, or is not the one that it was made with."""

    code = "wrong_key"
    status = 403


@contextmanager
def translated() -> Iterator[None]:
    """Raise what the file system refuses in terms of this package.

    Raises:
        PathError: For a path that leads out.
        MissingError: For a file that is not there.
        WriteError: For a disk that is full, read-only or failing.
    """
    try:
        with told_by_the_system("use", "the file system"):
            yield
    except PegboardError:
        raise
    except OutsideRootError as error:
        raise PathError(error.strerror) from error
    except DurableError as error:
        raise WriteError(str(error.strerror)) from error
    except FileNotFoundError as error:
        raise MissingError(f"there is no file {error.filename}") from error

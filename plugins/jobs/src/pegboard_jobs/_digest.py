"""What a file holds, in a few letters: digests of its content, read once."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

from pegboard.errors import ConflictError, NotFoundError

__all__ = ["Digest", "digest_of"]

CHUNK = 1024 * 1024  # bytes that are read at once


class Digest(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a file at one moment.

    Attributes:
        size: Its bytes.
        sha256: SHA-256 in hexadecimal.
        md5: MD5 in hexadecimal, for who looks for files by it; it protects nothing.
        modified: When it was changed last, in seconds since 1970.
    """

    size: int
    sha256: str
    md5: str
    modified: float


def digest_of(path: Path) -> Digest:
    """Read a file once and return what it holds; blocks.

    Raises:
        NotFoundError: If there is no such file.
        ConflictError: If it was changed while it was read.
    """
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    try:
        with path.open("rb") as file:
            before = os.fstat(file.fileno())
            while chunk := file.read(CHUNK):
                sha256.update(chunk)
                md5.update(chunk)
            after = os.fstat(file.fileno())
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        msg = f"there is no file {path}"
        raise NotFoundError(msg) from error
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        msg = f"file {path} is being written: register it when it is complete"
        raise ConflictError(msg)
    return Digest(
        size=after.st_size,
        sha256=sha256.hexdigest(),
        md5=md5.hexdigest(),
        modified=after.st_mtime,
    )

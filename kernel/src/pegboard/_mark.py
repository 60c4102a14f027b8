"""What tells whether a source file is still what was executed."""

from __future__ import annotations

from pathlib import Path

__all__ = ["Mark", "digest", "has_changed", "stamp"]

Mark = bytes | tuple[int, int]
"""A digest of a source that was compiled; time and size of one that came from a `.pyc`."""


def digest(source: bytes) -> bytes:
    """Return what tells one version of a source from another."""
    from hashlib import blake2b  # here, since the first import of it takes milliseconds

    return blake2b(source, digest_size=16).digest()


def has_changed(path: Path, mark: Mark) -> bool:
    """Whether a file is not what it was, or not there any more.

    Raises:
        OSError: If it is there and cannot be read.
    """
    try:
        return (digest(path.read_bytes()) if isinstance(mark, bytes) else stamp(path)) != mark
    except (FileNotFoundError, NotADirectoryError):
        return True


def stamp(path: Path) -> Mark:
    """Return the time and the size of a file."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size

"""BLAKE3: names contents by what they are, and tells whether bytes are still what they were."""

from __future__ import annotations

from typing import Protocol

from blake3 import blake3

__all__ = ["CHECK_SIZE", "Hasher", "check_of", "digest_of", "hasher"]

CHECK_SIZE = 16  # bytes: enough against accidents, which is what a check is for

Data = bytes | bytearray | memoryview


class Hasher(Protocol):
    """What hashlib and blake3 have in common."""

    def update(self, data: Data, /) -> object:
        """Take more data."""
        ...

    def hexdigest(self) -> str:
        """Return the digest of all data so far."""
        ...


def hasher() -> Hasher:
    """Return a BLAKE3 to be fed."""
    return blake3()


def digest_of(data: Data, key: bytes | None = None) -> bytes:
    """Return the 32 bytes that name a content; with a key of 32 bytes, for its holders alone."""
    return blake3(data).digest() if key is None else blake3(data, key=key).digest()


def check_of(*parts: Data) -> bytes:
    """Return the 16 bytes that tell whether the parts, one after the other, are unchanged."""
    made = blake3()
    for part in parts:
        made.update(part)
    return made.digest(CHECK_SIZE)

"""Encryption of what an archive keeps: the contract."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Seal"]


class Seal(Protocol):
    """Encrypts with one key."""

    @property
    def id_key(self) -> bytes:
        """32 bytes that contents are named with, so that names tell nothing to others."""
        ...

    def seal(self, data: bytes, context: bytes) -> bytes:
        """Return `data` so that only holders of the key can read it, in this context only."""
        ...

    def open(self, data: bytes, context: bytes) -> bytes:
        """Return what was sealed.

        Raises:
            ValueError: If it was changed, or sealed in another context or with another key.
        """
        ...

"""Encryption of what an archive keeps: the contract."""

from __future__ import annotations

from typing import Protocol

import msgspec

__all__ = ["Lock", "Seal"]


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


class Lock(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept beside a backup so that a password opens it.

    Attributes:
        salt: Makes the keys of two folders differ under one password.
        cost: Of scrypt.
        check: What tells a wrong password.
    """

    salt: bytes
    cost: int
    check: bytes

"""A store: named bytes with a version, moved as they are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

import msgspec

__all__ = ["ABSENT", "Entry", "FileKey", "Store"]

ABSENT = ""
"""The `expected_version` of a file that must not exist yet."""


class FileKey(msgspec.Struct, frozen=True, kw_only=True):
    """The address of a file of a scope, before any store encodes it into a path.

    Attributes:
        scope: One of the seven scopes (`user_private`, `mod_data`, ...).
        owner: User id, or an empty string where the scope has no owner.
        mod: The mod that the file belongs to.
        name: File name, any text.
    """

    scope: str
    owner: str
    mod: str
    name: str


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A file's content as a store holds it.

    Attributes:
        data: The bytes, exactly as written.
        version: Opaque, never empty, different after each write.
    """

    data: bytes
    version: str


class Store(Protocol):
    """Keeps bytes by key. A wrapper (encryption, versions) has the same type as what it wraps."""

    async def read(self, key: FileKey) -> Entry | None:
        """Return the file, or None where there is none.

        Raises:
            UnavailableError: If the store does not answer in time.
        """
        ...

    async def write(self, key: FileKey, data: bytes, *, expected_version: str | None = None) -> str:
        """Keep `data` durably and return its version.

        Args:
            key: Address of the file.
            data: The whole new content.
            expected_version: Version that is replaced, `ABSENT` for a new file, None for any.

        Raises:
            ConflictError: If the file has another version than expected; nothing was written.
            UnavailableError: If the store does not answer in time.
        """
        ...

    async def delete(self, key: FileKey, *, expected_version: str | None = None) -> bool:
        """Remove the file; False where there was none.

        Raises:
            ConflictError: If the file has another version than expected.
        """
        ...

    def list(self, prefix: FileKey) -> AsyncIterator[FileKey]:
        """Yield the keys of the same scope, owner and mod whose name starts with `prefix.name`."""
        ...

"""Caches of bytes."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Cache"]


class Cache(Protocol):
    """Keeps bytes for a while; may forget at any time."""

    async def get(self, key: str) -> bytes | None:
        """Return the value, or None where there is none or it has expired."""
        ...

    async def set(self, key: str, value: bytes, *, ttl: float | None = None) -> None:
        """Keep `value` for `ttl` seconds, or as long as there is room."""
        ...

    async def delete(self, key: str) -> None:
        """Forget the value, if there is one."""
        ...

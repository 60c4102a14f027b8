"""A cache: bytes by key that may be forgotten at any time, shared by whoever uses the same one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

__all__ = ["Cache", "CacheEntry"]


class CacheEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What was kept for a key.

    Attributes:
        value: The bytes, exactly as they were set.
        age: Seconds since then.
    """

    value: bytes
    age: float


class Cache(Protocol):
    """Keeps bytes for a while, and says who is to make those that are missing.

    Where several tasks or processes miss the same key, one of them holds the *claim* to it and
    makes the value, while the others look again after a moment. A claim that is not renewed ends
    by itself, and so does that of a process that has died.
    """

    async def get(self, key: str) -> CacheEntry | None:
        """Return what is kept, or None where nothing is, or it has expired.

        Raises:
            UnavailableError: If the cache does not answer in time.
        """
        ...

    async def set(
        self,
        key: str,
        value: bytes,
        *,
        ttl: float | None = None,
        tags: Sequence[str] = (),
        claim: str | None = None,
    ) -> bool:
        """Keep `value`, in place of what was kept before; False where it is not kept.

        Args:
            key: Any text.
            value: What to keep; one that is too large is not kept.
            ttl: Seconds until it expires, None for as long as there is room.
            tags: By which it can be invalidated together with others.
            claim: What `claim` has returned. It ends here; where it is lost, since somebody has
                invalidated the key or it was not renewed, nothing is kept.

        Raises:
            UnavailableError: If the cache does not answer in time.
        """
        ...

    async def delete(self, key: str) -> bool:
        """Forget a key, and end the claim to it; False where nothing was kept.

        Raises:
            UnavailableError: If the cache does not answer in time.
        """
        ...

    async def invalidate(self, tag: str) -> int:
        """Forget all keys with a tag and end all claims; return how many were kept.

        Raises:
            UnavailableError: If the cache does not answer in time.
        """
        ...

    async def claim(self, key: str, seconds: float, *, renew: str | None = None) -> str | None:
        """Return a token for whoever is to make the value, or None while somebody else is.

        Args:
            key: The key that is missing.
            seconds: How long the claim holds, from now on.
            renew: The token of a claim that is to hold longer; None is answered if it was lost.

        Raises:
            UnavailableError: If the cache does not answer in time.
        """
        ...

    async def release(self, key: str, claim: str) -> None:
        """End a claim without a value.

        Raises:
            UnavailableError: If the cache does not answer in time.
        """
        ...

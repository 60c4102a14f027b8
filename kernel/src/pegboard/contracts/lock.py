"""Locks by name."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

__all__ = ["LockProvider"]


class LockProvider(Protocol):
    """Gives locks that hold across everything that shares the provider."""

    def lock(
        self, name: str, *, shared: bool = False, timeout: float | None = None
    ) -> AbstractAsyncContextManager[None]:
        """Hold the lock `name` inside the `async with` block.

        Args:
            name: Any text; equal names exclude one another.
            shared: Whether other shared holders may hold it too.
            timeout: Seconds to wait, or None to wait for ever.

        Raises:
            ConflictError: On entering, if the lock was not free within `timeout`.
        """
        ...

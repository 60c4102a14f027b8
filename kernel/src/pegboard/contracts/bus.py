"""A bus: messages between apps, processes or machines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

__all__ = ["Bus"]


class Bus(Protocol):
    """Publishes bytes by topic to whoever is subscribed at that moment."""

    async def publish(self, topic: str, message: bytes) -> None:
        """Hand `message` to all present subscribers of `topic`.

        Raises:
            UnavailableError: If the bus does not take the message in time.
        """
        ...

    def subscribe(self, topic: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Receive what is published to `topic` while the `async with` block runs."""
        ...

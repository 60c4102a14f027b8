"""A bus: messages between apps, processes or machines."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

__all__ = ["Bus"]


class Bus(Protocol):
    """Publishes bytes by topic to whoever is subscribed at that moment.

    At most once: what is published while nobody is subscribed is gone. Messages of one publisher
    arrive in their order. `pegboard.testing.bus_suite.BusSuite` holds what is said here as tests,
    and `pegboard.testing.MemoryBus` is the smallest bus that passes them.
    """

    async def publish(self, topic: str, message: bytes) -> None:
        """Hand `message` to all present subscribers of `topic`; no subscriber is waited for.

        Args:
            topic: Any text; equal topics meet, and no part of one has a meaning.
            message: The bytes, which arrive as they are.

        Raises:
            UnavailableError: If the bus does not take the message in time.
        """
        ...

    def subscribe(self, topic: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Receive what is published to `topic` while the `async with` block runs.

        What is published after the block was entered arrives. A subscriber that has fallen behind
        by more than the bus keeps for it is told, and never served with a gap.

        Raises:
            UnavailableError: On entering, if the bus does not answer in time; while iterating, once
                messages were lost. Subscribe again then, and look at what was missed.
        """
        ...

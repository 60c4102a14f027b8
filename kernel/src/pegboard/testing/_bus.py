"""A bus within one process: for tests, and the smallest example of the contract."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio import lowlevel

from pegboard.errors import UnavailableError

__all__ = ["MemoryBus"]


class MemoryBus:
    """Hands messages to the subscribers of this object; a `pegboard.contracts.bus.Bus`.

    Args:
        most: Messages that are kept for a subscriber that is behind.
    """

    def __init__(self, most: int = 1_000) -> None:
        self._most = most
        self._mailboxes: dict[str, list[_Mailbox]] = {}

    async def publish(self, topic: str, message: bytes) -> None:
        """Hand a message to all present subscribers of a topic."""
        await lowlevel.checkpoint()
        for mailbox in self._mailboxes.get(topic, ()):
            mailbox.put(message)

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """Receive what is published to a topic while the block runs.

        Raises:
            UnavailableError: While iterating, if messages were lost.
        """
        mailbox = _Mailbox(topic, self._most)
        mailboxes = self._mailboxes.setdefault(topic, [])
        mailboxes.append(mailbox)
        messages = mailbox.messages()
        try:
            yield messages
        finally:
            mailboxes.remove(mailbox)
            if not mailboxes:
                del self._mailboxes[topic]
            await messages.aclose()


class _Mailbox:
    """What waits for one subscriber."""

    def __init__(self, topic: str, most: int) -> None:
        self._topic = topic
        self._most = most
        self._waiting: deque[bytes] = deque()
        self._filled = anyio.Event()
        self._has_lost = False

    def put(self, message: bytes) -> None:
        if len(self._waiting) >= self._most:
            self._has_lost = True
        if not self._has_lost:
            self._waiting.append(message)
        self._filled.set()

    async def messages(self) -> AsyncGenerator[bytes]:
        while True:
            while self._waiting:
                yield self._waiting.popleft()
            if self._has_lost:
                msg = (
                    f"a subscriber of {self._topic!r} was more than {self._most} messages behind: "
                    "subscribe again"
                )
                raise UnavailableError(msg)
            self._filled = anyio.Event()
            await self._filled.wait()

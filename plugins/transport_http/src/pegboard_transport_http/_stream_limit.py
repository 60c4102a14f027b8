"""How many streams there may be at once. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pegboard.errors import TooManyRequestsError, UnavailableError

if TYPE_CHECKING:
    from pegboard_transport_http.config import HttpSettings

__all__ = ["StreamLimit"]


class StreamLimit:
    """Counts open streams, in all and by client address.

    Args:
        settings: The bounds, and when to come back.
    """

    def __init__(self, settings: HttpSettings) -> None:
        self._most = settings.max_streams
        self._most_per_client = settings.max_streams_per_client or settings.max_streams
        self._retry = settings.retry
        self._total = 0
        self._clients: Counter[str] = Counter()

    def check(self, client: str) -> None:
        """Make sure that one more may be opened.

        Raises:
            UnavailableError: If there are too many.
            TooManyRequestsError: If there are too many of this client.
        """
        if self._total >= self._most:
            msg = f"{self._most} streams are open, which is as many as there may be"
            raise UnavailableError(msg, retry_after=self._retry)
        if self._clients[client] >= self._most_per_client:
            msg = f"{self._most_per_client} streams of this client are open; close one"
            raise TooManyRequestsError(msg, retry_after=self._retry)

    @contextmanager
    def counted(self, client: str) -> Iterator[None]:
        """Count one stream while the block runs."""
        self._total += 1
        self._clients[client] += 1
        try:
            yield
        finally:
            self._total -= 1
            self._clients[client] -= 1
            if not self._clients[client]:
                del self._clients[client]

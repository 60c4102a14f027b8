"""How many connections there may be. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pegboard.errors import UnavailableError

if TYPE_CHECKING:
    from pegboard_transport_ws.config import WsConfig

__all__ = ["ConnectionLimit"]


class ConnectionLimit:
    """Counts connections, from the handshake on, in all and by client address.

    Attributes:
        total: How many there are.
    """

    def __init__(self, config: WsConfig) -> None:
        self.total = 0
        self._limit = config.max_connections
        self._limit_per_client = config.max_connections_per_client or config.max_connections
        self._clients: Counter[str] = Counter()

    def check(self, client: str) -> None:
        """Make sure that one more may come.

        Raises:
            UnavailableError: If there are too many.
        """
        if self.total >= self._limit:
            msg = f"{self._limit} sockets are open, which is as many as there may be"
            raise UnavailableError(msg)
        if self._clients[client] >= self._limit_per_client:
            msg = f"{self._limit_per_client} sockets of this client are open; close one"
            raise UnavailableError(msg)

    @contextmanager
    def counted(self, client: str) -> Iterator[None]:
        """Count one connection while the block runs."""
        self.total += 1
        self._clients[client] += 1
        try:
            yield
        finally:
            self.total -= 1
            self._clients[client] -= 1
            if not self._clients[client]:
                del self._clients[client]

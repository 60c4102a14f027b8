"""What we add to a connection of Hypercorn, the same on asyncio and on trio.

Each class stands before Hypercorn's own in the list of bases.
"""

from __future__ import annotations

from typing import Any

import anyio

from pegboard_server_hypercorn._http2 import bound_streams, release, say_goodbye
from pegboard_server_hypercorn._translation import forbid_upgrade

__all__ = ["EndingContext", "GuardedConnection"]


class EndingContext:
    """What Hypercorn shares between connections, with a sleep that ends with its connection.

    Its ping task would otherwise keep a closed WebSocket for as long as it sleeps.

    Args:
        terminated: Event that is set when the server ends.
    """

    def __init__(self, terminated: Any) -> None:
        super().__init__(None)  # type: ignore[call-arg]  # Hypercorn's context follows
        self.terminated = terminated
        self.gone = anyio.Event()

    async def sleep(self, wait: float) -> None:
        """Wait for `wait` seconds, or until the connection is gone."""
        with anyio.move_on_after(wait):
            await self.gone.wait()


class GuardedConnection:
    """A connection that refuses upgrades, says goodbye, and lets go of what it holds in time."""

    config: Any
    context: Any

    @property
    def protocol(self) -> Any:
        """The protocol that was agreed on."""
        return self._protocol

    @protocol.setter
    def protocol(self, wrapper: Any) -> None:
        forbid_upgrade(wrapper, self.config)
        bound_streams(wrapper)
        self._protocol = wrapper

    async def say_goodbye(self) -> None:
        """Send the last that the client hears before its idle connection is closed."""
        await say_goodbye(self.protocol)

    async def _read_data(self) -> None:
        try:
            await super()._read_data()  # type: ignore[misc]  # Hypercorn's connection follows
        finally:
            self.context.gone.set()
        await release(self.protocol)

    async def _initiate_server_close(self) -> None:
        await self.say_goodbye()
        await super()._initiate_server_close()  # type: ignore[misc]  # the same

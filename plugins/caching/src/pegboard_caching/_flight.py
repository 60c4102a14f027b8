"""Single flight: of those who miss the same answer at once, one makes it for all."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio

from pegboard_caching._kept import Kept, kept

if TYPE_CHECKING:
    from pegboard import Result
    from pegboard_caching._key import Key

__all__ = ["Flights", "Made"]


class Made(NamedTuple):
    """An answer that was made.

    Attributes:
        result: The answer.
        is_shared: Whether it is the same for whoever asks.
    """

    result: Result[Any]
    is_shared: bool = True


_making: ContextVar[frozenset[tuple[int, Key]]] = ContextVar(
    "pegboard_caching_making", default=frozenset()
)
"""What the running call is making: one that needs its own answer must not wait for itself."""


class _Flight:
    """An answer on its way.

    Attributes:
        landed: Set when it is there, or will not come.
        kept: The answer, for those who wait; None where it cannot be shared.
        was_cancelled: Whether it will not come.
    """

    __slots__ = ("kept", "landed", "was_cancelled")

    def __init__(self) -> None:
        self.landed = anyio.Event()
        self.kept: Kept | None = None
        self.was_cancelled = True


class Flights:
    """The answers of one export that are on their way."""

    def __init__(self) -> None:
        self._flying: dict[Key, _Flight] = {}

    def __contains__(self, key: Key) -> bool:
        return key in self._flying

    async def run(self, key: Key, make: Callable[[], Awaitable[Made]]) -> Result[Any]:
        """Return the answer of `make`, or an equal one of somebody who is making it already.

        A failure is shared with those who wait for it. Where whoever makes the answer is
        cancelled, the next one begins. An answer that cannot be shared, such as a stream, or that
        depends on who asks, is made by each for themselves.
        """
        mark = (id(self), key)
        if mark in _making.get():
            return (await make()).result
        while (flight := self._flying.get(key)) is not None:
            await flight.landed.wait()
            if flight.kept is not None:
                return flight.kept.fresh()
            if not flight.was_cancelled:
                return (await make()).result
        return await self._fly(key, mark, make)

    async def _fly(
        self, key: Key, mark: tuple[int, Key], make: Callable[[], Awaitable[Made]]
    ) -> Result[Any]:
        flight = self._flying[key] = _Flight()
        token = _making.set(_making.get() | {mark})
        try:
            made = await make()
            flight.kept = kept(made.result) if made.is_shared else None
            flight.was_cancelled = False
            return made.result
        finally:
            _making.reset(token)
            del self._flying[key]
            flight.landed.set()

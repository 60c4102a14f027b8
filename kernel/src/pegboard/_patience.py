"""How long new code may take to begin, while the code before it goes on serving."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from pegboard.errors import LoadError

__all__ = ["Patience"]

LONGEST_START = 30.0
"""Seconds that initial functions, or the lifespan of a plugin, may take in a reload."""


class Patience:
    """Bounds the beginning of new code, by a clock and by the next change.

    Code that waits for what never comes is mended by a save like any other mistake.
    """

    def __init__(self) -> None:
        self._scopes: set[anyio.CancelScope] = set()

    @contextmanager
    def bounded(self, what: str) -> Iterator[None]:
        """Let the block take a while, but not for ever.

        Args:
            what: What is begun, for the message.

        Raises:
            LoadError: If it took too long, or was interrupted.
        """
        scope = anyio.CancelScope(deadline=anyio.current_time() + LONGEST_START)
        self._scopes.add(scope)
        try:
            with scope:
                yield
        finally:
            self._scopes.discard(scope)
        if scope.cancelled_caught:
            msg = f"{what} had not begun after {LONGEST_START:g} s, or when the next change came"
            raise LoadError(msg)

    def interrupt(self) -> None:
        """End what is beginning now."""
        for each in self._scopes:
            each.cancel()

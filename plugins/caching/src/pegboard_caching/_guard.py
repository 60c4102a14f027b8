"""Keeps answers that depend on who asks from those who ask next."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from pegboard import noting_session
from pegboard_caching._flight import Made

if TYPE_CHECKING:
    from pegboard import Result

__all__ = ["Guard"]

_logger = logging.getLogger("pegboard.caching")


class Guard:
    """Makes the answers of one export, and sees whether they are the same for everybody.

    Args:
        address: The export.
        per_user: Whether each user has answers of their own anyway.
    """

    def __init__(self, address: str, *, per_user: bool) -> None:
        self._address = address
        self._per_user = per_user
        self._has_warned = False

    async def make(self, call: Callable[[], Awaitable[Result[Any]]]) -> Made:
        """Make an answer; one for which it was asked who asks is not shared."""
        if self._per_user:
            return Made(await call())
        with noting_session() as note:
            result = await call()
        if note.is_read and not self._has_warned:
            self._has_warned = True
            _logger.warning(
                "an answer of %s is not kept, since it asks who asks, for instance by opening a "
                "file of the user: give cache_per_user=True",
                self._address,
            )
        return Made(result, is_shared=not note.is_read)

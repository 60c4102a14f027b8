"""Runs a function on an event loop, from any thread, without waiting for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from anyio.lowlevel import EventLoopToken

__all__ = ["poster"]


def poster(token: EventLoopToken) -> Callable[[Callable[[], Any]], None]:
    """Return what hands functions to the loop of a token; one that has ended takes none."""
    native: Any = token.native_token
    # asyncio and trio give this one thing under two names
    hand_over = (
        native.call_soon_threadsafe
        if hasattr(native, "call_soon_threadsafe")
        else native.run_sync_soon
    )

    def post(function: Callable[[], Any]) -> None:
        try:
            hand_over(function)
        except RuntimeError:  # closed: RunFinishedError of trio is one, too
            return

    return post

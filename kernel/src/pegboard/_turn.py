"""How long a thread with new code computes while the event loop waits for the interpreter."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

__all__ = ["giving_way"]

TURN = 0.0005
"""Seconds of one turn. Python's own 0.005 are what a whole reload takes: each request that comes
meanwhile would wait for the end of it."""

_lock = Lock()
_before: list[float] = []


@contextmanager
def giving_way() -> Iterator[None]:
    """Let other threads have their turn soon while this one computes in the block.

    That is a setting of the process (`sys.setswitchinterval`). It is never made longer, and is what
    it was when the last of such blocks has ended.
    """
    with _lock:
        _before.append(sys.getswitchinterval())
        sys.setswitchinterval(min(TURN, _before[0]))
    try:
        yield
    finally:
        with _lock:
            first = _before[0]
            _before.pop()
            if not _before:
                sys.setswitchinterval(first)

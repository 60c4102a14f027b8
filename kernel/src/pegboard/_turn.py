"""How long a thread with new code computes while the event loop waits for the interpreter."""

from __future__ import annotations

import sys
from threading import Lock
from types import TracebackType
from typing import ClassVar, Self

__all__ = ["ShortTurns"]

TURN = 0.0005
"""Seconds of one turn. Python's own 0.005 are what a whole reload takes: each request that comes
meanwhile would wait for the end of it."""


class ShortTurns:
    """Lets other threads have their turn soon, from its making until it ends.

    That is a setting of the process (`sys.setswitchinterval`). It is never made longer, and is what
    it was before the first of them when the last has ended. A context manager.
    """

    _lock: ClassVar[Lock] = Lock()
    _open: ClassVar[set[ShortTurns]] = set()
    _before: ClassVar[float] = 0.0

    def __init__(self) -> None:
        with self._lock:
            if not self._open:
                ShortTurns._before = sys.getswitchinterval()
            self._open.add(self)
            sys.setswitchinterval(min(TURN, self._before))

    def end(self) -> None:
        """End it, if it has not ended yet."""
        with self._lock:
            if self in self._open:
                self._open.remove(self)
                if not self._open:
                    sys.setswitchinterval(self._before)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

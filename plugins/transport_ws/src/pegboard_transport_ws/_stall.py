"""Notices that something stands still. No I/O, no clock."""

from __future__ import annotations

__all__ = ["Stall"]


class Stall:
    """Measures for how long a counter has not moved while it should have.

    Looked at now and then by one watcher, it costs the hot path nothing but the counter.

    Args:
        now: Seconds of a monotonic clock.
    """

    __slots__ = ("_count", "_since")

    def __init__(self, now: float) -> None:
        self._count = -1
        self._since = now

    def seconds(self, count: int, now: float, *, is_due: bool = True) -> float:
        """Return for how long `count` has been the same; 0 where no progress is due."""
        if count != self._count or not is_due:
            self._count, self._since = count, now
        return now - self._since

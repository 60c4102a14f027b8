"""How often something may happen: a rate, and the table that holds callers to it. No I/O.

Source: the generic cell rate algorithm (ITU-T I.371), which needs one number for each caller: the
time at which the bucket would be empty again.
"""

from __future__ import annotations

import re
from collections import OrderedDict

import msgspec

__all__ = ["Rate", "RateTable"]

UNITS = {"s": 1.0, "sec": 1.0, "min": 60.0, "h": 3_600.0, "d": 86_400.0}

_TEXT = re.compile(r"([1-9][0-9]{0,8})/([1-9][0-9]{0,5})?(s|sec|min|h|d)")


class Rate(msgspec.Struct, frozen=True):
    """So many in so many seconds; all of them may come at once.

    Attributes:
        count: How many.
        period: Seconds.
    """

    count: int
    period: float

    @classmethod
    def parse(cls, text: str) -> Rate:
        """Read `10/s`, `100/min`, `5/30s`.

        Raises:
            ValueError: If it is none of these.
        """
        match = _TEXT.fullmatch(text)
        if match is None:
            msg = f"{text!r} is no rate: write it like 10/s, 100/min or 5/30s"
            raise ValueError(msg)
        return cls(int(match[1]), int(match[2] or 1) * UNITS[match[3]])

    def take(self, full_until: float, now: float) -> tuple[float, float]:
        """Take one.

        Args:
            full_until: What the last take has answered, 0 for the first.
            now: Seconds of any clock that does not go back.

        Returns:
            The new `full_until`, and the seconds to wait: 0 where it was granted.
        """
        step = self.period / self.count
        full_until = max(full_until, now)
        wait = full_until - now - (self.period - step)
        if wait > step * 1e-9:
            return full_until, wait
        return full_until + step, 0.0


class RateTable:
    """Holds each caller to a rate.

    Args:
        rate: The rate.
        size: Most callers that are remembered; beyond, who was last seen longest ago is forgotten.
    """

    __slots__ = ("_full_until", "_rate", "_size")

    def __init__(self, rate: Rate, *, size: int = 10_000) -> None:
        self._rate = rate
        self._size = size
        self._full_until: OrderedDict[str, float] = OrderedDict()

    def take(self, caller: str, now: float) -> float:
        """Return the seconds that a caller has to wait, 0 where it may go on."""
        known = self._full_until
        full_until, wait = self._rate.take(known.get(caller, 0.0), now)
        known[caller] = full_until
        known.move_to_end(caller)
        if len(known) > self._size:
            known.popitem(last=False)
        return wait

    def __len__(self) -> int:
        return len(self._full_until)

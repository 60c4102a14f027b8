"""Which versions or backups are kept. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import msgspec

from pegboard_files._error import OptionError

__all__ = ["Retention"]

_DAY = 86_400.0
_FORMATS = {"daily": "%Y-%m-%d", "weekly": "%G-%V", "monthly": "%Y-%m"}


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """A rule: whatever one of its parts keeps is kept. The newest always is.

    Attributes:
        last: How many of the newest.
        daily: For how many days, the newest of each day that has any.
        weekly: For how many weeks, the newest of each.
        monthly: For how many months, the newest of each.
        days: All that are younger than so many days.

    Raises:
        OptionError: If a part is below 0, or nothing is said at all.
    """

    last: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    days: float = 0.0

    def __post_init__(self) -> None:
        parts = (self.last, self.daily, self.weekly, self.monthly, self.days)
        if min(parts) < 0 or not any(parts):
            raise OptionError("say what to keep: last, daily, weekly, monthly or days, above 0")

    def kept(self, times: Mapping[int, float], now: float) -> set[int]:
        """Return the numbers that are kept.

        Args:
            times: Seconds since 1970, by number.
            now: The same for the present moment.
        """
        newest = sorted(times, reverse=True)
        kept = set(newest[: max(self.last, 1)])
        kept.update(number for number in newest if times[number] > now - self.days * _DAY)
        for name, form in _FORMATS.items():
            kept.update(_first_of_each(newest, times, form, getattr(self, name)))
        return kept


def _first_of_each(
    newest: Iterable[int], times: Mapping[int, float], form: str, count: int
) -> set[int]:
    found: dict[str, int] = {}
    for number in newest:
        found.setdefault(datetime.fromtimestamp(times[number], UTC).strftime(form), number)
    return set(list(found.values())[:count])

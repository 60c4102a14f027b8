"""When a cron expression is due: the one module that knows cronsim."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from pegboard.errors import InputError

__all__ = ["next_time"]


def next_time(expression: str, after: datetime, *, zone: str = "UTC") -> datetime:
    """Return when a schedule is due next, as Debian's cron understands it.

    A time that the change to summer time skips is due when the clock has been put forward; one that
    comes twice in autumn is due once.

    Args:
        expression: Five fields: minute, hour, day, month, day of the week.
        after: The moment after which it is due; aware.
        zone: Name of the time zone that the fields are meant in.

    Raises:
        InputError: If the expression or the zone is wrong, or is never due.
    """
    try:
        place = ZoneInfo(zone)
    except (LookupError, ValueError, OSError):
        msg = f"there is no time zone {zone!r}; Europe/Berlin is one"
        raise InputError(msg) from None
    try:
        return next(CronSim(expression, after.astimezone(place)))
    except CronSimError as error:
        msg = f"schedule {expression!r} is wrong: {error}; write five fields such as 0 4 * * 1"
        raise InputError(msg) from error
    except StopIteration:
        msg = f"schedule {expression!r} is never due"
        raise InputError(msg) from None

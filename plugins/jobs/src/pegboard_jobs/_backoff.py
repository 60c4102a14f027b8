"""How long to wait before the next attempt. Nothing here looks at a clock."""

from __future__ import annotations

import random
from collections.abc import Callable

from pegboard.contracts.job import RetryPolicy

__all__ = ["delay_before", "has_next"]


def has_next(policy: RetryPolicy, attempt: int) -> bool:
    """Whether another attempt follows the failure of this one, the first being 1."""
    return attempt < policy.attempts


def delay_before(
    policy: RetryPolicy, attempt: int, *, chance: Callable[[], float] = random.random
) -> float:
    """Return the seconds between the failure of `attempt`, the first being 1, and the next one.

    Args:
        policy: The policy.
        attempt: Which attempt has failed.
        chance: Answers a number from 0 to 1; spreads attempts that failed together.
    """
    exponent = min(attempt - 1, 64)  # beyond it, any growing delay is at its limit
    delay = min(policy.delay * policy.factor**exponent, policy.max_delay)
    return delay * (1 - policy.jitter * chance())

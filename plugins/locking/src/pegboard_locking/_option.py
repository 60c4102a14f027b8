"""The keywords of `@export` that this plugin understands."""

from __future__ import annotations

from typing import Annotated

import msgspec

__all__ = ["LockOptions"]


class LockOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What an export may say.

    Attributes:
        lock: Whether calls wait for one another, or the name of the lock that they take; `{name}`
            in it is an argument of the call.
        lock_shared: Whether calls run beside one another, and wait only for who holds it alone.
        lock_timeout: Seconds that a call waits before it fails with 409; none waits for ever.
    """

    lock: bool | Annotated[str, msgspec.Meta(min_length=1)] = False
    lock_shared: bool = False
    lock_timeout: Annotated[float, msgspec.Meta(ge=0)] | None = None

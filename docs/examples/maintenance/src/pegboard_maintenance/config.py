"""The settings of `[plugins.maintenance]`."""

from __future__ import annotations

from typing import Annotated

import msgspec

__all__ = ["Settings"]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set.

    Attributes:
        allow: Paths that are served all the same, with whatever is below them.
        level: Session level that may use the system meanwhile.
        message: What clients are told where the command gives no message.
        retry_after: Seconds after which clients are asked to try again.
        interval: Seconds after which the switch is looked at again.
    """

    allow: tuple[str, ...] = ("/health",)
    level: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 10
    message: str = "The system is being worked on."
    retry_after: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 60.0
    interval: Annotated[float, msgspec.Meta(ge=0, le=60)] = 0.5

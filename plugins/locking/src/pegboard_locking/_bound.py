"""How much of the past a repository keeps. No I/O."""

from __future__ import annotations

from typing import Annotated

import msgspec

__all__ = ["Bounds"]


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of versions and of the audit trail; None is for ever.

    The newest version of a file is always kept, and so is the one that its check-out began with.

    Attributes:
        versions: Versions of each file.
        age: Seconds after which a version goes.
        size: Bytes of all versions of a file; the oldest go first.
        audit: Entries of the trail, of all files together.
    """

    versions: Annotated[int, msgspec.Meta(ge=1)] | None = 1_000
    age: Annotated[float, msgspec.Meta(gt=0)] | None = None
    size: Annotated[int, msgspec.Meta(ge=0)] | None = None
    audit: Annotated[int, msgspec.Meta(ge=0)] | None = 100_000

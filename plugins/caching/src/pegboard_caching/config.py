"""The settings of `[plugins.caching]`."""

from __future__ import annotations

from typing import Annotated

import msgspec

__all__ = ["CachingConfig"]

MIB = 1024 * 1024  # bytes

Bytes = Annotated[int, msgspec.Meta(ge=0, le=1 << 40)]


class CachingConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set about the caches of exports.

    Attributes:
        memory_bytes: Bytes that all memory caches of the app hold together, keys included.
        file_bytes: Bytes that the file cache holds; the oldest go first.
        file_value_bytes: Bytes of a single answer in the file cache; larger ones are not kept.
        claim_seconds: Seconds after which another process makes an answer that the one that
            has begun does not report on any more. One that works on it renews its claim.
    """

    memory_bytes: Bytes = 64 * MIB
    file_bytes: Bytes = 256 * MIB
    file_value_bytes: Bytes = 16 * MIB
    claim_seconds: Annotated[float, msgspec.Meta(ge=0.1, le=3600)] = 5.0

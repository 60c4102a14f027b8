"""The settings of `[plugins.caching]`."""

from __future__ import annotations

import msgspec

__all__ = ["CachingConfig"]


class CachingConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set."""

"""The settings of `[plugins.storage]`."""

from __future__ import annotations

import msgspec

__all__ = ["StorageConfig"]


class StorageConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set."""

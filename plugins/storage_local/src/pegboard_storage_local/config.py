"""The settings of `[plugins.storage_local]`."""

from __future__ import annotations

import msgspec

__all__ = ["StorageLocalConfig"]


class StorageLocalConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set."""

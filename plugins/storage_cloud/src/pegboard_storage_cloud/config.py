"""The settings of `[plugins.storage_cloud]`."""

from __future__ import annotations

import msgspec

__all__ = ["StorageCloudConfig"]


class StorageCloudConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set."""

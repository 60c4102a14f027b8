"""The settings of `[plugins.locking]`."""

from __future__ import annotations

import msgspec

__all__ = ["LockingConfig"]


class LockingConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set."""

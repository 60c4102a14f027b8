"""The settings of `[plugins.hot_reload]`."""

from __future__ import annotations

import msgspec

__all__ = ["HotReloadConfig"]


class HotReloadConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set."""

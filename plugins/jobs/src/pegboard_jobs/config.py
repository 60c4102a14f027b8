"""The settings of `[plugins.jobs]`."""

from __future__ import annotations

import msgspec

__all__ = ["JobsConfig"]


class JobsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set."""

"""The settings of `[plugins.auth]`."""

from __future__ import annotations

import msgspec

__all__ = ["AuthConfig"]


class AuthConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set."""

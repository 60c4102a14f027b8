"""The settings of `[plugins.files]`."""

from __future__ import annotations

import msgspec

__all__ = ["FilesConfig"]


class FilesConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set."""

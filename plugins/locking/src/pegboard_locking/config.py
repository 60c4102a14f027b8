"""The settings of `[plugins.locking]`."""

from __future__ import annotations

from typing import Annotated

import msgspec

__all__ = ["LockingConfig"]


class LockingConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set.

    Attributes:
        folder: Folder of the lock files, on a local disk; relative to the data folder.
        unused: Seconds after its last use that a lock file is removed; looked at when the app
            starts.
    """

    folder: str = "locks"
    unused: Annotated[float, msgspec.Meta(ge=0)] = 86_400.0

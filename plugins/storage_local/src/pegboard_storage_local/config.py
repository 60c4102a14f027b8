"""The settings of `[plugins.storage_local]`."""

from __future__ import annotations

from typing import Annotated

import msgspec

__all__ = ["StorageLocalConfig"]


class StorageLocalConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set.

    Attributes:
        folder: Where the files lie, in the data folder unless it is an absolute path.
        durable: Whether a save returns only when a power cut cannot undo it.
        deadline: Seconds that a save waits for others that write the same file.
    """

    folder: str = "storage"
    durable: bool = True
    deadline: Annotated[float, msgspec.Meta(gt=0, le=120)] = 10.0

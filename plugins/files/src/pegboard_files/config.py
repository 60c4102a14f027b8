"""The settings of `[plugins.files]`."""

from __future__ import annotations

from typing import Annotated

import msgspec

__all__ = ["FilesConfig"]


class FilesConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set about the files of the app.

    Attributes:
        folder: The folder of the files that mods ask for, below the data folder of the app unless
            it is absolute.
        lock_timeout: Seconds to wait for the lock of a file.
    """

    folder: str = "files"
    lock_timeout: Annotated[float, msgspec.Meta(gt=0, le=86_400)] = 10.0

"""The settings of `[plugins.storage]`."""

from __future__ import annotations

import msgspec

from pegboard_storage._backend import Mode

__all__ = ["StorageConfig"]


class StorageConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set.

    Attributes:
        mode: Where `backend="auto"` leads: `LC` to local files, `LR` and `RR` to Redis, `CB` to the
            cloud. `database.mode` of a `tb-manifest.yaml` is the same.
        key_file: File with the keys that files are encrypted with, in the data folder unless it is
            an absolute path; made when it is first needed.
        secret_keys: The keys themselves, lines of such a file with `;` between them, instead of it.
        key_command: Program and arguments that print the lines of such a file, instead of it.
    """

    mode: Mode = "LC"
    key_file: str = "storage.keys"
    secret_keys: str = ""
    key_command: tuple[str, ...] = ()

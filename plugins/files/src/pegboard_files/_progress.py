"""How far a backup, a check or a restore is."""

from __future__ import annotations

import msgspec

__all__ = ["Progress"]


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far something is.

    Attributes:
        path: The file that is worked on; empty between files.
        files: Files that are done.
        total_files: Files that there are.
        size: Bytes that are done.
        total_size: Bytes that there are.
    """

    path: str
    files: int
    total_files: int
    size: int
    total_size: int

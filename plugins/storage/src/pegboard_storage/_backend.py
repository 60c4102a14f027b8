"""Which backend a file is kept in."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pegboard_storage._scope import SCOPES, FilenameError, StorageScope

__all__ = ["DISTRIBUTIONS", "Mode", "chosen_backend"]

Mode = Literal["LC", "LR", "RR", "CB"]

BACKEND_OF_MODE: dict[Mode, str] = {"LC": "local", "LR": "redis", "RR": "redis", "CB": "cloud"}
"""Local dict, local Redis, remote Redis, cluster blob: `database.mode` of the spec documents."""

DISTRIBUTIONS = {
    "local": "pegboard-storage-local",
    "cloud": "pegboard-storage-cloud",
    "s3": "pegboard-storage-cloud",
    "redis": "pegboard-storage-cloud",
}
"""What to install for a backend that nobody gives."""


def chosen_backend(
    backend: str, scope: StorageScope, mode: Mode, base_path: Path | None = None
) -> str:
    """Return the backend to ask for.

    Args:
        backend: What is asked for; `auto` leaves it to the mode.
        scope: Of the file.
        mode: `database.mode`.
        base_path: Folder on this machine to keep the file in.

    Raises:
        FilenameError: If the scope, or a base path, needs another backend than the one asked for.
    """
    if SCOPES[scope].is_local or base_path is not None:
        if backend not in {"auto", "local"}:
            why = "a base path is" if base_path is not None else f"files of scope {scope.value} are"
            raise FilenameError(f"{why} always local, and cannot be in backend {backend!r}")
        return "local" if base_path is None else f"local:{base_path}"
    return BACKEND_OF_MODE[mode] if backend == "auto" else backend

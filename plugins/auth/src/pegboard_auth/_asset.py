"""The files of our pages: a fixed table, read once; a hash in their address lets them be kept."""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.resources import files

import msgspec

from pegboard_pages import icon, style_sheet

__all__ = ["Assets", "assets"]

_TYPES = {
    "auth.js": b"text/javascript; charset=utf-8",
    "icon.svg": b"image/svg+xml",
    "style.css": b"text/css; charset=utf-8",
}


class Assets(msgspec.Struct, frozen=True):
    """All files.

    Attributes:
        folder: Path that they are served below.
        by_path: Media type and bytes by path.
    """

    folder: str
    by_path: dict[str, tuple[bytes, bytes]]


@cache
def assets() -> Assets:
    """Return the packaged files."""
    static = files(__package__).joinpath("static")
    found = {
        "auth.js": static.joinpath("auth.js").read_bytes(),
        "icon.svg": icon(),
        "style.css": style_sheet(static.joinpath("style.css").read_bytes()),
    }
    digest = sha256(b"\0".join(found.values())).hexdigest()[:16]
    folder = f"/auth/assets/{digest}"
    return Assets(folder, {f"{folder}/{name}": (_TYPES[name], found[name]) for name in found})

"""The files that come with this package for browsers: a fixed table, read once.

Nothing of a request reaches the file system. The folder in an address is a hash of all files, so
that a browser may keep what it has for ever; relative imports between scripts stay in one version.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.resources import files

import msgspec

from pegboard_pages import icon, style_sheet

__all__ = ["ASSETS", "Asset", "assets"]

ASSETS = "/docs/assets"
"""Path below which the files are served."""

_TYPES = {
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
}


class Asset(msgspec.Struct, frozen=True):
    """One file.

    Attributes:
        content_type: Its media type.
        body: Its bytes.
        digest: Hash of them.
    """

    content_type: bytes
    body: bytes
    digest: str


class Assets(msgspec.Struct, frozen=True):
    """All files.

    Attributes:
        folder: Path that they are served below.
        by_path: The files by their path.
    """

    folder: str
    by_path: dict[str, Asset]


@cache
def assets() -> Assets:
    """Return the packaged files."""
    contents = {
        file.name: file.read_bytes() for file in files(__package__).joinpath("static").iterdir()
    }
    contents |= {"icon.svg": icon(), "style.css": style_sheet(contents["style.css"])}
    found: dict[str, Asset] = {}
    digest = sha256()
    for name, body in sorted(contents.items()):
        kind = _TYPES.get(name[name.rfind(".") :])
        if kind is not None:
            found[name] = Asset(kind, body, sha256(body).hexdigest())
            digest.update(name.encode() + b"\0" + body)
    folder = f"{ASSETS}/{digest.hexdigest()[:16]}"
    return Assets(folder, {f"{folder}/{name}": asset for name, asset in found.items()})

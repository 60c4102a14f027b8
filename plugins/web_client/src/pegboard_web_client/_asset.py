"""The files of the client: the module, the classic script that is made from it, the types.

A folder in an address is a hash of all files, so that a browser may keep what is below it for ever.
"""

from __future__ import annotations

import gzip
import re
from functools import cache
from hashlib import sha256
from importlib.resources import files

import msgspec

__all__ = ["PREFIX", "Asset", "assets", "client_url"]

PREFIX = "/pegboard"
"""Path below which the files are served."""

_SCRIPT = b"text/javascript; charset=utf-8"
_TYPES = b"text/plain; charset=utf-8"

_NEWS = """
if (/^(localhost|127\\.0\\.0\\.1|\\[::1\\])$/.test(location.hostname)) {{
  import(new URL("..{}", SOURCE)).catch(() => {{}}); // says what became of a saved file
}}
"""

_EXPORTS = re.compile(r"^export (?:\{[^}]*\}|default TB);\n", re.MULTILINE)


class Asset(msgspec.Struct, frozen=True):
    """One file.

    Attributes:
        content_type: Its media type.
        body: Its bytes.
        packed: The same, gzipped.
        digest: Hash of the bytes.
    """

    content_type: bytes
    body: bytes
    packed: bytes
    digest: str


class Assets(msgspec.Struct, frozen=True):
    """All files.

    Attributes:
        folder: Path below which they never change.
        by_name: The files by their name.
    """

    folder: str
    by_name: dict[str, Asset]


def client_url(name: str = "pegboard.js") -> str:
    """Return the path at which a browser may keep a file of the client for ever.

    Args:
        name: `pegboard.js`, `pegboard.classic.js` or `pegboard.d.ts`.

    Raises:
        KeyError: If there is no such file.
    """
    if name not in assets().by_name:
        raise KeyError(name)
    return f"{assets().folder}/{name}"


@cache
def assets(page_script: str = "") -> Assets:
    """Return the packaged files.

    Args:
        page_script: Path of a module that the scripts import in pages of this machine, if any.
    """
    module = _read("pegboard.js")
    classic, news = _classic(module), _NEWS.format(page_script) if page_script else ""
    found = {
        "pegboard.js": _asset(module + news.replace("SOURCE", "import.meta.url"), _SCRIPT),
        "pegboard.classic.js": _asset(
            classic + news.replace("SOURCE", "document.currentScript.src"), _SCRIPT
        ),
        "pegboard.d.ts": _asset(_read("pegboard.d.ts"), _TYPES),
    }
    digest = sha256("".join(asset.digest for asset in found.values()).encode()).hexdigest()
    return Assets(f"{PREFIX}/{digest[:16]}", found)


def _read(name: str) -> str:
    return files(__package__).joinpath("static", name).read_text(encoding="utf-8")


def _asset(text: str, kind: bytes) -> Asset:
    body = text.encode()
    return Asset(kind, body, gzip.compress(body, mtime=0), sha256(body).hexdigest())


def _classic(module: str) -> str:
    """Make a script of the module: the same code, with `window.TB` in place of its exports."""
    body = _EXPORTS.sub("", module)
    return f'(() => {{\n"use strict";\n\n{body.rstrip()}\n\nwindow.TB = TB;\n}})();\n'

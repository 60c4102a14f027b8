"""How all pages look: packaged files, read where they are wanted."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

__all__ = ["icon", "palette", "style_sheet"]


def icon() -> bytes:
    """Return the icon, as SVG."""
    return _read("icon.svg")


def palette() -> bytes:
    """Return colours and fonts as CSS: `--paper`, `--ink`, `--accent` and so on, light and dark."""
    return _read("palette.css")


def style_sheet(own: bytes = b"") -> bytes:
    """Return a style sheet: the palette, what every page has, and then what is one's own.

    Args:
        own: Rules that come last.
    """
    return b"\n".join((palette(), _read("base.css"), own))


@cache
def _read(name: str) -> bytes:
    return files(__package__).joinpath("static", name).read_bytes()

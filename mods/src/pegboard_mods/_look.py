"""The style sheet of all pages of these mods."""

from __future__ import annotations

from pathlib import Path

from pegboard import Result
from pegboard_pages import palette

__all__ = ["style_sheet"]

_OWN = Path(__file__).with_name("pages") / "style.css"


def style_sheet() -> Result[str]:
    """Return how the pages look."""
    return Result.text(palette().decode() + _OWN.read_text("utf-8"), "text/css")

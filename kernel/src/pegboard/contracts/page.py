"""What plugins and mods show of themselves: pages to open, checks to pass."""

from __future__ import annotations

import msgspec

__all__ = ["HealthCheck", "Page"]


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A web page that the index page links.

    Attributes:
        title: Text of the link.
        path: Absolute path on this server.
        summary: One line that says what it is for.
    """

    title: str
    path: str
    summary: str = ""


class HealthCheck(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of one check.

    Attributes:
        name: What was checked, unique for its plugin.
        ok: Whether it works.
        detail: What was found, for people; no secrets.
    """

    name: str
    ok: bool
    detail: str = ""

"""The `@export` keywords that this plugin understands."""

from __future__ import annotations

import msgspec

__all__ = ["HttpOptions"]


class HttpOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What an export may say about how it is served over HTTP.

    Attributes:
        page: Title under which the index page links the export, because what it answers to a GET
            is a web page; None links nothing.
        listed: Whether index page, explorer and OpenAPI description name the export. It can be
            called all the same: this hides what pages are made of, and protects nothing.
    """

    page: str | None = None
    listed: bool = True

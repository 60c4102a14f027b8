"""Addresses of our own. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pegboard.contracts.server import ServeSettings

__all__ = ["LINK_PATH", "link_url", "local_path", "served_url"]

LINK_PATH = "/auth/link"


def link_url(base: str, code: str) -> str:
    """Return the address of a one-time link.

    The code stands behind a `#`, which browsers send to nobody: it is in no log and no Referer.
    """
    return f"{base.rstrip('/')}{LINK_PATH}#{code}"


def served_url(settings: ServeSettings) -> str:
    """Return where people of this machine find a server with these settings."""
    host = settings.host
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104 - what is bound, and where people find it
        host = "127.0.0.1"
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if settings.certfile else 'http'}://{shown}:{settings.port}"


def local_path(text: str | None, default: str) -> str:
    """Return where to go on: a path of this server, whatever somebody has written there."""
    if not text or not text.startswith("/") or text.startswith("//"):
        return default
    if "\\" in text or any(ord(each) < 0x21 or ord(each) == 0x7F for each in text):
        return default
    try:
        parts = urlsplit(text)
    except ValueError:
        return default
    return default if parts.scheme or parts.netloc else text

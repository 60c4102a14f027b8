"""What kind of body a Content-Type announces."""

from __future__ import annotations

from email.message import Message

import msgspec

__all__ = ["MediaType", "parse_media_type"]


class MediaType(msgspec.Struct, frozen=True):
    """A Content-Type, read.

    Attributes:
        essence: Type and subtype in lower case, empty where nothing was announced.
        charset: Announced charset in lower case, empty without one.
    """

    essence: str
    charset: str = ""

    @property
    def is_json(self) -> bool:
        """Whether it is JSON, by its own name or by its suffix (RFC 6839)."""
        return self.essence == "application/json" or self.essence.endswith("+json")

    @property
    def is_text(self) -> bool:
        """Whether it is text."""
        return self.essence.startswith("text/")


def parse_media_type(value: bytes | None) -> MediaType:
    """Read a Content-Type header; one that makes no sense reads as nothing announced."""
    if not value:
        return MediaType("")
    text = value.decode("latin-1")
    essence = text.partition(";")[0].strip().lower()
    if ";" not in text:
        return MediaType(essence)
    header = Message()
    header["content-type"] = text.replace("\n", " ").replace("\r", " ")
    charset = header.get_param("charset")
    return MediaType(essence, charset.lower() if isinstance(charset, str) else "")

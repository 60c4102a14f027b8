"""Conditional requests: is what the client has still what we have? No I/O happens here.

Source: RFC 9110, section 13.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

import msgspec

__all__ = ["Validators", "allows_range", "judge", "lists_tag"]

GetHeader = Callable[[bytes], bytes | None]

_ETAG = re.compile(r'(?:W/)?"[^"]*"')


class Validators(msgspec.Struct, frozen=True):
    """What tells one version of a file from another.

    Attributes:
        etag: Entity tag with its quotes; a strong one.
        modified: When the file was changed, in whole seconds.
    """

    etag: str
    modified: int

    @property
    def last_modified(self) -> str:
        """The value of Last-Modified."""
        return format_datetime(datetime.fromtimestamp(self.modified, UTC), usegmt=True)


def judge(header: GetHeader, validators: Validators) -> int:
    """Evaluate the conditions of a GET or HEAD request, in the order of section 13.2.2.

    Returns:
        200 to go on, 304 if the client has this version already, 412 if a condition fails.
    """
    if_match = _text(header(b"if-match"))
    unmodified = _date(header(b"if-unmodified-since"))
    if if_match is not None:
        if not lists_tag(if_match, validators.etag, weak=False):
            return 412
    elif unmodified is not None and validators.modified > unmodified:
        return 412
    if_none_match = _text(header(b"if-none-match"))
    modified = _date(header(b"if-modified-since"))
    if if_none_match is not None:
        if lists_tag(if_none_match, validators.etag, weak=True):
            return 304
    elif modified is not None and validators.modified <= modified:
        return 304
    return 200


def allows_range(header: GetHeader, validators: Validators) -> bool:
    """Whether If-Range, if it was sent, names exactly this version of the file."""
    value = _text(header(b"if-range"))
    if value is None:
        return True
    if value.startswith(('"', "W/")):
        return value == validators.etag
    return _date(value.encode("latin-1")) == validators.modified


def lists_tag(value: str, etag: str, *, weak: bool) -> bool:
    """Whether a list of entity tags, or `*`, names this one.

    Args:
        value: The list.
        etag: A strong tag with its quotes.
        weak: Whether a weak tag in the list will do.
    """
    if value.strip() == "*":
        return True
    tags = _ETAG.findall(value)
    return etag in ([tag.removeprefix("W/") for tag in tags] if weak else tags)


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode("latin-1").strip()


def _date(value: bytes | None) -> int | None:
    """Return a date as seconds since 1970; one that makes no sense is not heeded."""
    if value is None:
        return None
    try:
        return int(parsedate_to_datetime(value.decode("latin-1")).timestamp())
    except (ValueError, OverflowError, TypeError):
        return None

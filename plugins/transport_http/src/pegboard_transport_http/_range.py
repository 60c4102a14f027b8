"""Range requests. No I/O happens here.

Source: RFC 9110, section 14.
"""

from __future__ import annotations

import re
from itertools import pairwise

import msgspec

from pegboard_transport_http._refusal import RangeError

__all__ = ["Span", "parse_range"]

RANGES = 16
"""Most ranges that are answered; a request for more, or for scattered crumbs, gets everything."""

_SPEC = re.compile(r"([0-9]{0,18})-([0-9]{0,18})")


class Span(msgspec.Struct, frozen=True, order=True):
    """A part of a file.

    Attributes:
        start: First byte.
        stop: The byte after the last.
    """

    start: int
    stop: int

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self.stop - self.start

    def content_range(self, size: int) -> str:
        """Return the value of Content-Range, for a file of `size` bytes."""
        return f"bytes {self.start}-{self.stop - 1}/{size}"


def parse_range(value: str, size: int) -> list[Span]:
    """Return the parts that a Range header asks for, in its order; none for the whole file.

    Parts that overlap or touch are joined (then they are in order of their start), and a header
    that makes no sense, or asks for too much trouble, is not heeded.

    Raises:
        RangeError: If none of the parts exists.
    """
    unit, _, text = value.partition("=")
    specs = [each.strip() for each in text.split(",") if each.strip()]
    if unit.strip().lower() != "bytes" or not specs or len(specs) > RANGES:
        return []
    spans = []
    for spec in specs:
        match = _SPEC.fullmatch(spec)
        if match is None or spec == "-":
            return []
        span = _span(match[1], match[2], size)
        if span is None:
            return []
        if span.size > 0:
            spans.append(span)
    if not spans:
        raise RangeError(size)
    return _joined(spans)


def _span(first: str, last: str, size: int) -> Span | None:
    """Return one part, an empty one if it lies beyond the end, None if it makes no sense."""
    if not first:
        return Span(max(size - int(last), 0), size)
    start = int(first)
    stop = int(last) + 1 if last else size
    if stop <= start and last:
        return None
    return Span(start, max(min(stop, size), start))


def _joined(spans: list[Span]) -> list[Span]:
    ordered = sorted(spans)
    if all(before.stop < after.start for before, after in pairwise(ordered)):
        return spans
    joined = [ordered[0]]
    for span in ordered[1:]:
        if span.start <= joined[-1].stop:
            joined[-1] = Span(joined[-1].start, max(joined[-1].stop, span.stop))
        else:
            joined.append(span)
    return joined

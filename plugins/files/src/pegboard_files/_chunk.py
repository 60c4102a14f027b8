"""Cuts contents where they themselves say, so that an insertion moves no cut but the nearest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

__all__ = ["chunks"]

SMALLEST = 16 * 1024  # bytes of a chunk, but for the last
AVERAGE = 64 * 1024
LARGEST = 256 * 1024
_WINDOW = 8 * 1024 * 1024  # bytes that are in memory at once


def chunks(file: BinaryIO) -> Iterator[bytes]:
    """Yield the content of a file in chunks, from where it is read to its end.

    Raises:
        OSError: If it cannot be read.
    """
    rest = b""
    while data := file.read(_WINDOW - len(rest)):
        rest += data
        if len(rest) < _WINDOW:
            continue
        cuts = [*_cut(rest)]
        yield from cuts[:-1]  # the last one was cut by the window
        rest = cuts[-1]
    yield from _cut(rest)


def _cut(data: bytes) -> Iterator[bytes]:
    # here, since a server starts without it
    from fastcdc import fastcdc  # type: ignore[import-untyped]  # it has no types

    if len(data) <= SMALLEST:
        if data:
            yield data
        return
    for chunk in fastcdc(data, min_size=SMALLEST, avg_size=AVERAGE, max_size=LARGEST):
        yield data[chunk.offset : chunk.offset + chunk.length]

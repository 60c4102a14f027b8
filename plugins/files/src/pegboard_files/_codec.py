"""Zstandard: compresses a content, alone or as what differs from another one."""

from __future__ import annotations

import sys
import threading

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["CodecError", "compress", "decompress"]

LEVEL = 1  # for a tenth more bytes than the default, text takes half the time, and noise a tenth
LARGE = 256 * 1024  # bytes from which on matches are looked for at any distance
_LARGEST_WINDOW = 27  # 128 MiB: what every decoder accepts
_SMALLEST_WINDOW = 10


class CodecError(Exception):
    """The bytes were not made by `compress`, or not with this base."""


def compress(data: bytes, base: bytes | None = None) -> bytes:
    """Return `data` in fewer bytes; with a `base`, in those that tell the two apart."""
    reach = len(data) + len(base or b"")
    if base is None and reach <= LARGE:
        return _compressors.small.compress(data, zstd.ZstdCompressor.FLUSH_FRAME)
    parameters = zstd.CompressionParameter
    options: dict[int, int] = {parameters.compression_level: LEVEL}
    if reach > LARGE:
        options[parameters.window_log] = _window(reach)
        options[parameters.enable_long_distance_matching] = 1
    if base is None:
        return zstd.compress(data, options=options)
    prefix = zstd.ZstdDict(base, is_raw=True).as_prefix
    return zstd.compress(data, options=options, zstd_dict=prefix)


def decompress(data: bytes, size: int, base: bytes | None = None) -> bytes:
    """Return the content of `size` bytes that `compress` was given.

    Raises:
        CodecError: If `data` is damaged, has another base or another size; no more than `size`
            bytes and one are ever made.
    """
    prefix = None if base is None else zstd.ZstdDict(base, is_raw=True).as_prefix
    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _LARGEST_WINDOW}
    decoder = zstd.ZstdDecompressor(zstd_dict=prefix, options=options)
    try:
        content = decoder.decompress(data, max_length=size + 1)
    except zstd.ZstdError as error:
        raise CodecError(str(error)) from error
    if len(content) != size or not (decoder.eof or not size):
        raise CodecError(f"{len(content)} bytes came of what had {size}")
    return content


class _Compressors(threading.local):
    """One for each thread: to make one costs more than a small content does."""

    def __init__(self) -> None:
        self.small = zstd.ZstdCompressor(level=LEVEL)


_compressors = _Compressors()


def _window(reach: int) -> int:
    return min(max(reach.bit_length(), _SMALLEST_WINDOW), _LARGEST_WINDOW)

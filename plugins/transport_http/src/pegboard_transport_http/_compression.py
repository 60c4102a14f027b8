"""Compressing responses: the one place that knows zstd and gzip."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from importlib import import_module
from typing import Any

from anyio import to_thread

from pegboard_transport_http._encoding import choose_encoding
from pegboard_transport_http._render import Response

__all__ = ["Compressor"]

THREAD_FROM = 64 * 1024  # bytes above which compressing would hold up the event loop noticeably

_KINDS = (
    b"text/",
    b"application/json",
    b"application/javascript",
    b"application/xml",
    b"application/yaml",
    b"image/svg+xml",
)
_VARY = (b"vary", b"accept-encoding")

Compress = Callable[[bytes], bytes]


class Compressor:
    """Compresses what becomes notably smaller, for clients that can read it.

    Args:
        smallest: Size in bytes from which it is tried; None for never.
        level: Level of gzip.
    """

    def __init__(self, *, smallest: int | None, level: int) -> None:
        self._smallest = smallest
        self._codings: dict[str, Compress] = {}
        if smallest is not None:
            zstd = _zstd()
            if zstd is not None:
                self._codings["zstd"] = zstd
            self._codings["gzip"] = lambda content: _gzip(content, level)

    async def apply(self, response: Response, accepted: bytes | None) -> None:
        """Compress the body of a response, if that helps and the client accepts it."""
        if self._smallest is None or len(response.body) < self._smallest:
            return
        if not _is_text(response):
            return
        response.headers.append(_VARY)
        if not accepted:
            return
        coding = choose_encoding(accepted.decode("latin-1"), tuple(self._codings))
        if coding is None:
            return
        compress = self._codings[coding]
        if len(response.body) < THREAD_FROM:
            compressed = compress(response.body)
        else:
            compressed = await to_thread.run_sync(compress, response.body)
        if len(compressed) < len(response.body):
            response.body = compressed
            response.headers.append((b"content-encoding", coding.encode("ascii")))


def _is_text(response: Response) -> bool:
    if any(name == b"content-encoding" for name, _ in response.headers):
        return False
    kind = next((value for name, value in response.headers if name == b"content-type"), b"")
    return kind.lower().startswith(_KINDS)


def _gzip(content: bytes, level: int) -> bytes:
    compressor = zlib.compressobj(level, wbits=zlib.MAX_WBITS | 16)
    return compressor.compress(content) + compressor.flush()


def _zstd() -> Compress | None:
    """Return zstd from the standard library (Python 3.14) or from `zstandard`, if it is there."""
    for name in ("compression.zstd", "zstandard"):
        try:
            module: Any = import_module(name)
        except ImportError:
            continue
        compress: Compress = module.compress
        return compress
    return None

"""Sending a file from disk: the whole of it or parts, with bounded memory."""

from __future__ import annotations

import logging
import os
import secrets
import stat
import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import anyio
import msgspec
from anyio import to_thread

from pegboard.errors import NotFoundError
from pegboard_transport_http._condition import Validators, allows_range, judge
from pegboard_transport_http._header import Header, attachment, field, fields
from pegboard_transport_http._range import Span, parse_range
from pegboard_transport_http._refusal import PreconditionError
from pegboard_transport_http._render import VARY, Response

if TYPE_CHECKING:
    from pegboard import Result
    from pegboard_transport_http._exchange import Exchange

__all__ = ["CHUNK", "download"]

CHUNK = 256 * 1024
"""Bytes that are in memory at a time."""

_logger = logging.getLogger("pegboard.http")

# A named pipe must not hold us up, and an executed child must not inherit the file.
_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)
)


class Descriptor:
    """A descriptor for reading, closed with `close`, or at the latest when nobody holds it.

    A task that asyncio itself cancels never sees what its thread has opened meanwhile.

    Attributes:
        number: What the operating system knows it by.
        close: Closes it, once.
    """

    __slots__ = ("__weakref__", "close", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self.close = weakref.finalize(self, os.close, number)


class OpenFile(msgspec.Struct, frozen=True):
    """A file that is open: what its name stands for may change, this does not.

    Attributes:
        descriptor: Where it is read from.
        size: Length in bytes.
        validators: What tells this version from another.
    """

    descriptor: Descriptor
    size: int
    validators: Validators


class Segment(msgspec.Struct, frozen=True):
    """Something to send: `text`, then a part of the file.

    Attributes:
        text: Bytes that are in memory.
        span: Part of the file.
    """

    text: bytes
    span: Span


async def download(exchange: Exchange, result: Result[Any]) -> None:
    """Answer with the file that a `file_path` result names.

    Raises:
        NotFoundError: If it is gone, or no regular file.
        PreconditionError: If a condition of the request does not hold.
        RangeError: If the request asks for parts that do not exist.
        ClientGoneError: If the client leaves, or does not accept the next part in time.
    """
    path = str(result.result.data)
    opened = await to_thread.run_sync(_open, path)
    try:
        await _answer(exchange, result, opened)
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(opened.descriptor.close)


async def _answer(exchange: Exchange, result: Result[Any], opened: OpenFile) -> None:
    headers = _headers(result, opened)
    spans: list[Span] = []
    if exchange.scope["method"] in {"GET", "HEAD"}:
        verdict = judge(exchange.header, opened.validators)
        if verdict == 412:
            msg = "the file is not the version that the request is for"
            raise PreconditionError(msg)
        if verdict == 304:
            kept = [each for each in headers if each[0] != b"content-type"]
            await exchange.respond(Response(304, kept))
            return
        wanted = exchange.header(b"range")
        is_get = not exchange.is_head  # RFC 9110, 14.2: no other method has ranges
        if wanted is not None and is_get and allows_range(exchange.header, opened.validators):
            spans = parse_range(wanted.decode("latin-1"), opened.size)
    segments, status = _segments(spans, headers, opened.size)
    length = sum(len(each.text) + each.span.size for each in segments)
    headers.append((b"content-length", b"%d" % length))
    await exchange.start(status, headers)
    if not exchange.is_head:
        for segment in segments:
            if not await _send(exchange, segment, opened, path=str(result.result.data)):
                return
    await exchange.write(b"", more=False)


async def _send(exchange: Exchange, segment: Segment, opened: OpenFile, *, path: str) -> bool:
    """Send one segment; False if the file has become shorter meanwhile."""
    if segment.text:
        await exchange.write(segment.text)
    position = segment.span.start
    while position < segment.span.stop:
        wanted = min(CHUNK, segment.span.stop - position)
        chunk = await to_thread.run_sync(_read, opened.descriptor.number, wanted, position)
        if not chunk:
            # The length was promised: only a broken-off response tells the client the truth.
            _logger.error("%s was truncated while it was sent", path)
            return False
        await exchange.write(chunk)
        position += len(chunk)
    return True


def _segments(spans: Sequence[Span], headers: list[Header], size: int) -> tuple[list[Segment], int]:
    """Return what to send, and the status; sets the headers that say so."""
    if not spans:
        return [Segment(b"", Span(0, size))], 200
    if len(spans) == 1:
        headers.append(field("content-range", spans[0].content_range(size)))
        return [Segment(b"", spans[0])], 206
    boundary = secrets.token_hex(12)
    kind = next(value for name, value in headers if name == b"content-type").decode("latin-1")
    headers[:] = [each for each in headers if each[0] != b"content-type"]
    headers.append(field("content-type", f"multipart/byteranges; boundary={boundary}"))
    segments = [
        Segment(
            f"\r\n--{boundary}\r\ncontent-type: {kind}\r\n"
            f"content-range: {span.content_range(size)}\r\n\r\n".encode("latin-1"),
            span,
        )
        for span in spans
    ]
    return [*segments, Segment(f"\r\n--{boundary}--\r\n".encode(), Span(0, 0))], 206


def _headers(result: Result[Any], opened: OpenFile) -> list[Header]:
    own = {str(name).lower(): value for name, value in result.headers.items()}
    own.setdefault("content-type", "application/octet-stream")
    name = str(result.result.data_info or "").removeprefix("filename=")
    return [
        *fields(own),
        (b"accept-ranges", b"bytes"),
        VARY,
        field("etag", opened.validators.etag),
        field("last-modified", opened.validators.last_modified),
        *([attachment(name)] if name else []),
    ]


def _open(path: str) -> OpenFile:
    try:
        descriptor = Descriptor(os.open(path, _FLAGS))
    except (OSError, ValueError) as error:
        _logger.warning("a result names a file that cannot be sent: %s", error)
        msg = "the file is not there any more"
        raise NotFoundError(msg) from error
    status = os.fstat(descriptor.number)
    if not stat.S_ISREG(status.st_mode):
        descriptor.close()
        msg = "this is no file"
        raise NotFoundError(msg)
    etag = f'"{status.st_mtime_ns:x}-{status.st_size:x}-{status.st_ino:x}"'
    return OpenFile(descriptor, status.st_size, Validators(etag, int(status.st_mtime)))


_pread: Callable[[int, int, int], bytes] | None = getattr(os, "pread", None)


def _read(descriptor: int, size: int, position: int) -> bytes:
    if _pread is not None:
        return _pread(descriptor, size, position)
    os.lseek(descriptor, position, os.SEEK_SET)
    return os.read(descriptor, size)

"""One request and the answer to it: uvicorn's, whose answer leaves in one piece where it can."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    RequestResponseCycle,
)
from uvicorn.protocols.utils import get_client_addr, get_path_with_query_string

if TYPE_CHECKING:
    from typing import Any

__all__ = ["Cycle"]

HEADS = 512
"""Plain heads that are remembered: most answers differ in nothing but their body."""

LONGEST = 100
"""Bytes of the type in such a head."""

TOGETHER = 65_536
"""Bytes of a body up to which it is worth a copy to send it together with its head."""

_PLAIN = (b"content-type", b"content-length")
"""Names of the headers of a plain head. Others may hold what belongs to one client."""


class _Head(NamedTuple):
    """The headers of an application, as they travel.

    Attributes:
        lines: All of them.
        length: What `content-length` says, None without one.
        is_chunked: Whether `transfer-encoding: chunked` is among them.
        closes: Whether `connection: close` is among them.
    """

    lines: bytes
    length: int | None
    is_chunked: bool
    closes: bool


class Cycle(RequestResponseCycle):
    """A request that is being answered.

    The head of an answer waits for the first part of its body, if it says how long that is: one
    write takes half the time of two. The client of a stream sees its head at once.
    """

    _held = b""
    _is_bodiless = False
    _ends_by_closing = False

    async def send(self, message: Any) -> None:
        """Take a message of the application, once the client takes what was sent before.

        Raises:
            RuntimeError: If it is not its turn, or is no valid HTTP.
        """
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        kind = message["type"]
        has_begun = self.response_started or bool(self._held)
        if not has_begun and kind == "http.response.start":
            self._start(message["status"], message.get("headers", ()))
        elif has_begun and not self.response_complete and kind == "http.response.body":
            self._write(message.get("body", b""), is_last=not message.get("more_body", False))
        else:
            state = "complete" if self.response_complete else "begun"
            msg = f"unexpected message {kind!r}: the answer is {state}"
            raise RuntimeError(msg)

    async def receive(self) -> Any:
        """Return the next part of the body, once there is one, or that the client is gone."""
        if self.waiting_for_100_continue and not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.waiting_for_100_continue = False
        if not (self.disconnected or self.response_complete):
            self.flow.resume_reading()
            if not self.message_event.is_set():
                self._write_head()  # which tells a client that waits for it to go on
                await self.message_event.wait()
            self.message_event.clear()
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        body, self.body = bytes(self.body), bytearray()
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    async def send_500_response(self) -> None:
        """Answer that the application has failed, in place of a head that has not left yet."""
        self._held = b""
        await super().send_500_response()

    def _start(self, status: int, headers: Iterable[Any]) -> None:
        head = _head_of(tuple(headers))
        self.waiting_for_100_continue = False
        if self.access_log:
            self._log(status)
        dates = [b"%b: %b\r\n" % each for each in self.default_headers]
        lines = [STATUS_LINE[status], *dates, head.lines]
        if head.closes:
            self.keep_alive = False
        elif not self.keep_alive:
            lines.append(b"connection: close\r\n")
        self.chunked_encoding = head.is_chunked
        self._is_bodiless = self.scope["method"] == "HEAD" or status in {204, 304}
        if head.length is None and not head.is_chunked and not self._is_bodiless:
            if self.scope["http_version"] == "1.0":  # which knows no transfer coding
                self._ends_by_closing = True
            else:
                self.chunked_encoding = True
                lines.append(b"transfer-encoding: chunked\r\n")
        lines.append(b"\r\n")
        self.expected_content_length = head.length or 0
        self._held = b"".join(lines)
        if head.length is None or self._is_bodiless:
            self._write_head()

    def _write(self, body: bytes, *, is_last: bool) -> None:
        if self._is_bodiless:
            self.expected_content_length = 0
        elif self._ends_by_closing:
            self.transport.write(body)
        elif self.chunked_encoding:
            chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            self.transport.write(chunk + b"0\r\n\r\n" if is_last else chunk)
        else:
            self.expected_content_length -= len(body)
            if self.expected_content_length < 0:
                msg = "the body is longer than its Content-Length says"
                raise RuntimeError(msg)
            self._write_plain(body)
        if is_last:
            self._end()

    def _write_plain(self, body: bytes) -> None:
        if len(body) > TOGETHER:
            self._write_head()
        held, self._held = self._held, b""
        self.response_started = True
        self.transport.write(held + body if held else body)

    def _write_head(self) -> None:
        if self._held:
            self.response_started = True
            self.transport.write(self._held)
            self._held = b""

    def _end(self) -> None:
        if self.expected_content_length:
            msg = "the body is shorter than its Content-Length says"
            raise RuntimeError(msg)
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()

    def _log(self, status: int) -> None:
        self.access_logger.info(
            '%s - "%s %s HTTP/%s" %d',
            get_client_addr(self.scope),
            self.scope["method"],
            get_path_with_query_string(self.scope),
            self.scope["http_version"],
            status,
        )


def _head_of(headers: tuple[Any, ...]) -> _Head:
    """Return how headers travel, and remember it where that helps.

    Raises:
        RuntimeError: If a name or value would break out of its line, or the length is ambiguous.
    """
    if len(headers) == len(_PLAIN):
        (first, kind), (second, _) = headers
        if (first, second) == _PLAIN and len(kind) < LONGEST:
            try:
                return _plain_head(headers)
            except TypeError:  # lists, which cannot be looked up
                pass
    return _head(headers)


def _head(headers: tuple[Any, ...]) -> _Head:
    lines: list[bytes] = []
    length, is_chunked, closes = None, False, False
    for name, value in headers:
        if HEADER_RE.search(name) or HEADER_VALUE_RE.search(value):
            msg = f"invalid header {name!r}: {value!r}"
            raise RuntimeError(msg)
        name = name.lower()  # noqa: PLW2901 - as it travels
        if name == b"content-length":
            if length not in {None, int(value)}:
                msg = "an answer with two lengths"
                raise RuntimeError(msg)
            length = int(value)
        elif name == b"transfer-encoding":
            is_chunked = value.rstrip().lower().endswith(b"chunked")
        elif name == b"connection":
            closes |= b"close" in [token.strip().lower() for token in value.split(b",")]
        lines.append(b"%b: %b\r\n" % (name, value))
    if is_chunked and length is not None:
        msg = "an answer with both a length and a transfer coding"
        raise RuntimeError(msg)
    return _Head(b"".join(lines), length, is_chunked, closes)


_plain_head = lru_cache(maxsize=HEADS)(_head)

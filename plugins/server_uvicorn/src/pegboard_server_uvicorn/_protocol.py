"""One HTTP connection: uvicorn's, with the bounds and checks that it leaves to others.

What httptools refuses by itself (a length beside a transfer coding, repeated or malformed lengths,
control characters) is not checked again. What costs time per request is kept to one pass over the
headers; deadlines are looked at once a second by the listener, not by timers per request.
"""

from __future__ import annotations

import asyncio
import re
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from pegboard_server_uvicorn._cycle import Cycle

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, ClassVar

    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

__all__ = ["GuardedProtocol"]

_BAD_REQUEST = (400, "Invalid HTTP request received.")
_TOO_LARGE = (431, "The request headers are too large.")
_TIMEOUT = (408, "The request took too long to arrive.")

_LINGER = 1.0
"""Seconds for which a refused client may still send, and is not listened to."""

_PART = 8192
"""Bytes that are parsed at once: about as many requests as may wait on one connection at most."""

_UPGRADE_LINE_LIMIT = 8192
_UPGRADE_HEADERS = 128
"""Bounds of the handshake in the websockets library, which answers what is above with a crash."""

_HOST = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=%:\[\]-]*")


class _RefusedError(Exception):
    """Raised in a callback of the parser, which stops and reports it."""


class _CompleteHead(tuple[tuple[bytes, bytes], ...]):
    """The headers of a request whose head is complete, to which nothing is added.

    httptools reports the fields after a chunked body as it does headers, and taken for such they
    would be what a proxy has removed or checked. By RFC 9110, 6.5.1, they can be left out.
    """

    __slots__ = ()

    def append(self, field: tuple[bytes, bytes]) -> None:
        """Leave out a trailer field."""


class _Flow(FlowControl):
    """Flow control that reads on only where what came has been parsed."""

    def __init__(self, transport: Any, may_read: Callable[[], bool]) -> None:
        super().__init__(transport)
        self._may_read = may_read

    def resume_reading(self) -> None:
        if self._may_read():
            super().resume_reading()


class GuardedProtocol(HttpToolsProtocol):
    """A connection that refuses oversized, slow and ambiguous requests.

    Attributes:
        head_limit: Bytes of the headers of one request.
        head_timeout: Seconds in which a request head has to be complete.
        send_timeout: Seconds for which a client may accept nothing of what waits for it.
        log_requests: Whether each request is logged.
    """

    head_limit: ClassVar[int] = 65_536
    head_timeout: ClassVar[float] = 10.0
    send_timeout: ClassVar[float] = 60.0
    log_requests: ClassVar[bool] = False

    _held = b""
    _left = -1
    _left_since = 0.0
    _received = 0
    _fields_start = 0
    _waiting_since: float | None = None
    _refusal = _BAD_REQUEST
    _is_refused = False
    _is_idle = False
    _running: RequestResponseCycle

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.access_log = self.access_log and self.log_requests

    def connection_made(self, transport: Any) -> None:
        """Begin; what is read from now on depends on what waits already."""
        super().connection_made(transport)
        self.flow = _Flow(transport, lambda: not (self.pipeline or self._held))

    def data_received(self, data: bytes) -> None:
        """Parse what came, in parts: none while a request that came ahead of its time waits.

        Else the few bytes of each pipelined request would become thousands in memory.
        """
        if self._is_idle:
            self._is_idle, self._waiting_since = False, None
        if len(data) <= _PART and not (self._held or self.pipeline or self._is_refused):
            self._parse(data)
            return
        data, self._held = self._held + data, b""
        for start in range(0, len(data), _PART):
            if self.pipeline:
                self._held = data[start:]
                self.flow.pause_reading()
                return
            if self._is_refused or self not in self.connections:
                return
            self._parse(data[start : start + _PART])

    def on_response_complete(self) -> None:
        """Go on with the next request, and with what was held back."""
        if self.transport.is_closing():
            return
        if self.pipeline:
            self._running, app = self.pipeline.pop()
            self._start_asgi_task(self._running, app)
        else:
            self._is_idle = True
        if self.pipeline:
            return
        if self._held:
            self.data_received(b"")
        self.flow.resume_reading()  # which was refused while the request that begins now waited

    def _parse(self, data: bytes) -> None:
        """Parse a part, and refuse a head, or trailers, that go on beyond their limit."""
        self._received += len(data)
        super().data_received(data)
        size = self._received - self._fields_start
        if size <= self.head_limit or self not in self.connections:
            return
        if not self.transport.is_closing():
            self._refusal = _TOO_LARGE
            self.send_400_response("")

    def on_headers_complete(self) -> None:
        """Check the head and start the request.

        Raises:
            _RefusedError: If the head is too large, or has no, several or a malformed Host.
        """
        self._waiting_since = None
        self._fields_start = self._received
        hosts = size = 0
        for name, value in self.headers:
            size += len(name) + len(value)
            if name == b"host":
                hosts += 1
                if not _is_host(value):
                    raise _RefusedError
        version = self.parser.get_http_version()
        if hosts != 1 and (hosts or version == "1.1"):
            raise _RefusedError
        upgrades = self.parser.should_upgrade()
        if size > self.head_limit or (upgrades and self._exceeds_upgrade()):
            self._refusal = _TOO_LARGE
            raise _RefusedError
        self._complete_scope(version)
        if not (upgrades and self._should_upgrade()):
            self._begin(keep_alive=version != "1.0" and self.parser.should_keep_alive())

    def _complete_scope(self, version: str) -> None:
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        scope = self.scope
        scope["method"] = self.parser.get_method().decode("ascii")
        scope["http_version"] = version
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = url.path
        scope["query_string"] = url.query or b""

    def _begin(self, *, keep_alive: bool) -> None:
        """Start the request, or let it wait for those that came before it on this connection."""
        before = self._cycle
        cycle = Cycle(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=keep_alive,
            on_response=self.on_response_complete,
        )
        self.cycle = cycle
        if before is None or before.response_complete:
            self._running = cycle
            self._start_asgi_task(cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))

    def on_chunk_header(self) -> None:
        """Take no more headers: from here on, what looks like them are trailers."""
        if not isinstance(self.headers, _CompleteHead):
            self.headers: Any = _CompleteHead(self.headers)

    def on_body(self, body: bytes) -> None:
        """Hand on a part of the body, and count the bytes of trailers from here on."""
        self._fields_start = self._received
        if self._takes_body():
            self.cycle.body += body
            if len(self.cycle.body) > HIGH_WATER_LIMIT:
                self.flow.pause_reading()
            self.cycle.message_event.set()

    def on_message_complete(self) -> None:
        """End the body, and count the bytes of the next head from here on.

        What came together with the end of this message is not counted: most of it may be a body.
        """
        self._fields_start = self._received
        if self._takes_body():
            self.cycle.more_body = False
            self.cycle.message_event.set()

    def _takes_body(self) -> bool:
        if self.parser.should_upgrade() and self._should_upgrade():
            return False
        return not self.cycle.response_complete

    def send_400_response(self, msg: str) -> None:
        """Answer what cannot be parsed or is refused, unless another answer is on its way."""
        cycle = self._cycle
        if self.pipeline and cycle is not None and cycle.more_body:
            # What is broken is never begun; those before it are answered, the last one closes.
            self.pipeline.popleft()
            cycle = self.cycle = self.pipeline[0][0] if self.pipeline else self._running
            cycle.more_body = False
        if cycle is not None and not cycle.response_complete:
            if cycle.response_started or not cycle.more_body:
                # Bytes after a request that is still being answered: an error sent now would be
                # taken for that answer. It ends the connection after the answer instead.
                cycle.keep_alive = False
                self.flow.pause_reading()
                return
            cycle.disconnected = True
            cycle.message_event.set()
        self._refuse(*self._refusal)

    def check(self, now: float) -> None:
        """Refuse a client whose request head is too slow; called about once a second.

        A client that accepts nothing while more is to be sent is dropped. A connection that closes
        is aborted where the application gave up in the middle of its answer, or where the client
        takes nothing of the rest: it would else stay for ever.

        A slow body is for the application, which knows how much it expects.

        Args:
            now: The loop's time in seconds.
        """
        cycle = self._cycle
        if self.transport.is_closing():
            self._end(now, is_complete=cycle is None or cycle.response_complete)
            return
        if not self.flow.write_paused:
            self._left = -1
        elif self._stalled_for(now) > self.send_timeout:
            self.transport.abort()
            return
        if self._is_idle:
            self._end_idle(now)
        elif self._is_refused or (cycle is not None and not cycle.response_complete):
            self._waiting_since = None
        elif self._waiting_since is None:
            self._waiting_since = now
        elif now - self._waiting_since > self.head_timeout:
            if cycle is not None and cycle.more_body:  # answered before its body had come
                self.transport.close()
            else:
                self._refuse(*_TIMEOUT)

    def _end_idle(self, now: float) -> None:
        if self._waiting_since is None:
            self._waiting_since = now
        elif now - self._waiting_since >= self.timeout_keep_alive:
            self.transport.close()

    def _end(self, now: float, *, is_complete: bool) -> None:
        if not is_complete or self._stalled_for(now) > self.head_timeout:
            self.transport.abort()

    def _stalled_for(self, now: float) -> float:
        left = self.transport.get_write_buffer_size()
        if left != self._left:
            self._left, self._left_since = left, now
        return now - self._left_since

    @property
    def _cycle(self) -> RequestResponseCycle | None:
        return self.cycle  # declared as never None, which it is before the first request

    def _exceeds_upgrade(self) -> bool:
        return (
            len(self.headers) > _UPGRADE_HEADERS
            or any(len(name) + len(value) > _UPGRADE_LINE_LIMIT - 4 for name, value in self.headers)
            or len(self.url) > _UPGRADE_LINE_LIMIT - 16
        )

    def _refuse(self, status: int, text: str) -> None:
        body = text.encode("ascii")
        lines = [
            STATUS_LINE[status],
            *(name + b": " + value + b"\r\n" for name, value in self.server_state.default_headers),
            b"content-type: text/plain; charset=utf-8\r\n",
            b"content-length: %d\r\n" % len(body),
            b"connection: close\r\n\r\n",
            body,
        ]
        self._is_refused = True
        self.transport.write(b"".join(lines))
        if self.transport.can_write_eof():
            # Closed while the client still sends, the connection would be reset, and with that
            # the answer be lost.
            self.transport.write_eof()
            self.loop.call_later(_LINGER, self.transport.close)
        else:
            self.transport.close()


@lru_cache(maxsize=256)
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value) is not None

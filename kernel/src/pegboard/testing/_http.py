"""An HTTP client that hands requests to an ASGI application: no socket, no server, no library.

It is as strict as a server: an answer that no server could send is an error, and an application
that goes on after its client has left fails the test.
"""

from __future__ import annotations

import secrets
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
)
from contextlib import asynccontextmanager
from typing import Any, Self, TypeAlias
from urllib.parse import urlencode

import anyio
import msgspec
from anyio.streams.memory import MemoryObjectReceiveStream

from pegboard._headers import Headers
from pegboard._result import Result
from pegboard.contracts.asgi import AsgiCallable, Message, Scope
from pegboard.testing._hosting import check_sendable, connection_scope, hosted

__all__ = ["ClientGone", "HttpClient", "HttpResponse", "StreamedResponse"]

Body: TypeAlias = bytes | Iterable[bytes] | AsyncIterable[bytes]
File: TypeAlias = bytes | tuple[str, bytes] | tuple[str, bytes, str]
Fields: TypeAlias = Mapping[str, "str | list[str]"]


_URLENCODED = "application/x-www-form-urlencoded"


class ClientGone(Exception):  # noqa: N818 - not an error: what a request body raises to hang up
    """Raised by the body of a request: the client goes away in the middle of sending it."""


class HttpResponse:
    """A whole answer.

    Attributes:
        status: Status code.
        raw_headers: Names in lower case and values, in the order in which they were sent.
        body: The bytes, as sent.
    """

    def __init__(self, status: int, raw_headers: list[tuple[str, str]], body: bytes) -> None:
        self.status = status
        self.raw_headers = raw_headers
        self.body = body

    @property
    def headers(self) -> Headers:
        """The headers; several of one name are joined."""
        return Headers(self.raw_headers)

    @property
    def text(self) -> str:
        """The body as UTF-8 text."""
        return self.body.decode()

    def json(self) -> Any:
        """Return the body decoded from JSON."""
        return msgspec.json.decode(self.body)

    def result(self) -> Result[Any]:
        """Return the envelope that the body is."""
        return Result.result_from_dict(**self.json())

    def __repr__(self) -> str:
        return f"<HttpResponse {self.status} {self.body[:200]!r}>"


class HttpClient:
    """Sends requests to an app.

    Args:
        app: A running app, or any ASGI callable.
        headers: Sent with each request.
        address: Where the client is, as the application shall see it.
    """

    def __init__(
        self,
        app: Any,
        *,
        headers: Mapping[str, str] | None = None,
        address: tuple[str, int] = ("127.0.0.1", 50_000),
    ) -> None:
        self._asgi: AsgiCallable = app.asgi() if hasattr(app, "asgi") else app
        self._headers = dict(headers or {})
        self._address = address

    async def request(self, method: str, path: str, **parts: Any) -> HttpResponse:
        """Send a request and collect the answer.

        Args:
            method: HTTP method.
            path: Path, not yet percent-encoded; may carry an encoded query after `?`.
            parts: `query`, `headers`, and one of `json`, `form` (with `files` a multipart form),
                `content` (bytes, or an iterable or asynchronous iterable of chunks).

        Raises:
            AssertionError: If the application answers what no server could send, or nothing.
            ClientGone: If the body of the request raised it.
        """
        scope, body = self._prepare(method, path, **parts)
        chunks: list[bytes] = []

        async def keep(chunk: bytes) -> None:
            chunks.append(chunk)

        exchange = _Exchange(scope, body, keep)
        await exchange.run(self._asgi)
        return HttpResponse(exchange.status, exchange.headers, b"".join(chunks))

    async def get(self, path: str, **parts: Any) -> HttpResponse:
        """Send a GET request; see `request`."""
        return await self.request("GET", path, **parts)

    async def head(self, path: str, **parts: Any) -> HttpResponse:
        """Send a HEAD request; see `request`."""
        return await self.request("HEAD", path, **parts)

    async def options(self, path: str, **parts: Any) -> HttpResponse:
        """Send an OPTIONS request; see `request`."""
        return await self.request("OPTIONS", path, **parts)

    async def post(self, path: str, **parts: Any) -> HttpResponse:
        """Send a POST request; see `request`."""
        return await self.request("POST", path, **parts)

    async def put(self, path: str, **parts: Any) -> HttpResponse:
        """Send a PUT request; see `request`."""
        return await self.request("PUT", path, **parts)

    async def patch(self, path: str, **parts: Any) -> HttpResponse:
        """Send a PATCH request; see `request`."""
        return await self.request("PATCH", path, **parts)

    async def delete(self, path: str, **parts: Any) -> HttpResponse:
        """Send a DELETE request; see `request`."""
        return await self.request("DELETE", path, **parts)

    @asynccontextmanager
    async def stream(self, method: str, path: str, **parts: Any) -> AsyncIterator[StreamedResponse]:
        """Send a request and read the answer as it comes; leaving the block hangs up.

        The application is held up until each part of its answer has been read.

        Raises:
            AssertionError: If the application goes on for seconds after the client has left.
        """
        scope, body = self._prepare(method, path, **parts)
        entrance, parts_read = anyio.create_memory_object_stream[bytes](0)
        exchange = _Exchange(scope, body, entrance.send)

        async def run() -> None:
            with entrance:
                await exchange.run(self._asgi)

        def hang_up() -> None:
            parts_read.close()
            exchange.hang_up()

        with entrance, parts_read:
            async with hosted(run, hang_up, exchange.started):
                yield StreamedResponse(exchange.status, exchange.headers, parts_read)

    def _prepare(
        self,
        method: str,
        path: str,
        *,
        query: Fields | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = msgspec.UNSET,
        form: Fields | None = None,
        files: Mapping[str, File | list[File]] | None = None,
        content: Body = b"",
    ) -> tuple[Scope, Body]:
        kind = ""
        if json is not msgspec.UNSET:
            content, kind = msgspec.json.encode(json), "application/json"
        elif files is not None:
            content, kind = _multipart(form or {}, files)
        elif form is not None:
            content, kind = urlencode(form, doseq=True).encode(), _URLENCODED
        sent = {"host": "testserver"}
        if kind:
            sent["content-type"] = kind
        if isinstance(content, bytes) and (content or method in {"POST", "PUT", "PATCH"}):
            sent["content-length"] = str(len(content))
        elif not isinstance(content, bytes):
            sent["transfer-encoding"] = "chunked"
        given = {**self._headers, **(headers or {})}
        sent |= {name.lower(): value for name, value in given.items()}
        scope = connection_scope("http", path, query, list(sent.items()), self._address)
        return {**scope, "method": method, "scheme": "http"}, content


class StreamedResponse(HttpResponse):
    """An answer that is still coming: iterate over it, or `read` it.

    Attributes:
        body: What was read so far.
    """

    def __init__(
        self,
        status: int,
        raw_headers: list[tuple[str, str]],
        parts: MemoryObjectReceiveStream[bytes],
    ) -> None:
        super().__init__(status, raw_headers, b"")
        self._parts = parts

    def __aiter__(self) -> Self:
        """Return itself: iterating yields the parts, as the application sends them."""
        return self

    async def __anext__(self) -> bytes:
        """Wait for the next part of the body."""
        part = await anext(self._parts)
        self.body += part
        return part

    async def read(self) -> bytes:
        """Wait for the end and return the whole body."""
        async for _ in self:
            pass
        return self.body


class _Exchange:
    """One request and its answer, seen from the server."""

    def __init__(
        self, scope: Scope, body: Body, deliver: Callable[[bytes], Awaitable[None]]
    ) -> None:
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.started = anyio.Event()
        self._scope = scope
        self._body: _Chunks | None = _Chunks(body)
        self._deliver = deliver
        self._reading = anyio.CancelScope()
        self._over = anyio.Event()
        self._is_complete = self._is_gone = False
        self._size = 0

    async def run(self, asgi: AsgiCallable) -> None:
        chunks = self._body
        try:
            await asgi(self._scope, self._receive, self._send)
        finally:
            has_left = self._over.is_set()
            self.hang_up()
            if chunks is not None:
                await chunks.aclose()
        if not self._is_complete and not has_left:
            raise AssertionError(self._say("ended without a whole answer"))
        if not self.status:
            raise ClientGone

    def hang_up(self) -> None:
        self._is_gone = self._is_gone or not self._is_complete
        self._over.set()
        self._reading.cancel()

    async def _receive(self) -> Message:
        if self._body is not None and not self._over.is_set():
            with anyio.CancelScope() as self._reading:
                return await self._next_chunk(self._body)
        await self._over.wait()
        return {"type": "http.disconnect"}

    async def _next_chunk(self, body: _Chunks) -> Message:
        try:
            return {"type": "http.request", "body": await body.next(), "more_body": True}
        except StopAsyncIteration:
            self._body = None
            return {"type": "http.request", "body": b"", "more_body": False}
        except ClientGone:
            self.hang_up()
            return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if self._is_gone:
            return
        if message["type"] == "http.response.start":
            self._begin(message)
        elif message["type"] == "http.response.body":
            await self._continue(message)
        else:
            raise AssertionError(self._say(f"sent {message['type']}"))

    def _begin(self, message: Message) -> None:
        if self.status:
            raise AssertionError(self._say("began its answer twice"))
        self.headers = check_sendable(list(message.get("headers", ())))
        self.status = message["status"]
        self.started.set()

    async def _continue(self, message: Message) -> None:
        if not self.status or self._is_complete:
            raise AssertionError(self._say("sent a body before the start or after the end"))
        body = bytes(message.get("body", b""))
        self._size += len(body)
        if body and self._scope["method"] != "HEAD":
            await self._hand_over(body)
        if not message.get("more_body") and not self._is_gone:
            self._finish()

    async def _hand_over(self, body: bytes) -> None:
        try:
            await self._deliver(body)
        except anyio.BrokenResourceError:
            self.hang_up()

    def _finish(self) -> None:
        length = dict(self.headers).get("content-length")
        has_body = self._scope["method"] != "HEAD" and self.status not in {204, 304}
        if has_body and length is not None and int(length) != self._size:
            raise AssertionError(self._say(f"promised {length} bytes and sent {self._size}"))
        self._is_complete = True
        self.hang_up()

    def _say(self, what: str) -> str:
        return f"{self._scope['method']} {self._scope['path']}: the application {what}"


class _Chunks:
    """The body of a request, whatever it was given as."""

    def __init__(self, body: Body) -> None:
        if isinstance(body, bytes):
            body = (body,) if body else ()
        self._ready = None if isinstance(body, AsyncIterable) else iter(body)
        self._coming = aiter(body) if isinstance(body, AsyncIterable) else None

    async def next(self) -> bytes:
        if self._coming is not None:
            return await anext(self._coming)
        for chunk in self._ready or ():
            return chunk
        raise StopAsyncIteration

    async def aclose(self) -> None:
        if isinstance(self._coming, AsyncGenerator):
            with anyio.CancelScope(shield=True):
                await self._coming.aclose()


def _multipart(form: Fields, files: Mapping[str, File | list[File]]) -> tuple[bytes, str]:
    """Encode a form as multipart/form-data (RFC 7578)."""
    boundary = secrets.token_hex(16)
    parts = [
        _part(boundary, f'name="{_quoted(name)}"', "", each.encode())
        for name, value in form.items()
        for each in (value if isinstance(value, list) else [value])
    ]
    for name, given in files.items():
        for file in given if isinstance(given, list) else [given]:
            filename, content, *kind = (name, file) if isinstance(file, bytes) else file
            place = f'name="{_quoted(name)}"; filename="{_quoted(filename)}"'
            parts.append(_part(boundary, place, (kind or ["application/octet-stream"])[0], content))
    parts.append(f"--{boundary}--\r\n".encode())
    return b"".join(parts), f"multipart/form-data; boundary={boundary}"


def _part(boundary: str, place: str, kind: str, content: bytes) -> bytes:
    lines = [f"--{boundary}", f"content-disposition: form-data; {place}"]
    if kind:
        lines.append(f"content-type: {kind}")
    return "\r\n".join([*lines, "", ""]).encode() + content + b"\r\n"


def _quoted(name: str) -> str:
    """Escape a name as browsers do (the HTML standard, multipart/form-data encoding)."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")

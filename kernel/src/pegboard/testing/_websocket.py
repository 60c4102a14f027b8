"""A WebSocket client that talks to an ASGI application: no socket, no frames."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import msgspec

from pegboard.contracts.asgi import AsgiCallable, Message, Scope
from pegboard.testing._hosting import check_sendable, connection_scope, hosted

__all__ = ["WebSocketClient", "WebSocketClosed", "WebSocketConnection", "WebSocketRefused"]


class WebSocketClosed(Exception):  # noqa: N818 - the documented end of a conversation
    """The application has closed the connection.

    Attributes:
        code: Close code.
        reason: What the application said.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"closed with {code} {reason}".rstrip())
        self.code = code
        self.reason = reason


class WebSocketRefused(WebSocketClosed):
    """The application did not accept the handshake.

    Attributes:
        status: HTTP status that the client sees.
        body: Body of that answer.
    """

    def __init__(self, code: int, reason: str, *, status: int = 403, body: bytes = b"") -> None:
        super().__init__(code, reason)
        self.status = status
        self.body = body


class WebSocketClient:
    """Opens WebSocket connections to an app.

    Args:
        app: A running app, or any ASGI callable.
        headers: Sent with each handshake.
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

    @asynccontextmanager
    async def connect(
        self,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        subprotocols: Sequence[str] = (),
        buffer: float = math.inf,
    ) -> AsyncIterator[WebSocketConnection]:
        """Open a connection; leaving the block closes it with 1000.

        Args:
            path: Path of the handler.
            query: Arguments of the handshake.
            headers: Headers of the handshake.
            subprotocols: Subprotocols that are offered.
            buffer: Messages that the application may be ahead of this client; 0 makes a client
                that reads nothing until it is asked.

        Raises:
            WebSocketRefused: If the application does not accept.
            AssertionError: If the application goes on for seconds after the client has left.
        """
        sent = {"host": "testserver", "upgrade": "websocket", **self._headers, **(headers or {})}
        pairs = [(name.lower(), value) for name, value in sent.items()]
        scope = {
            **connection_scope("websocket", path, query, pairs, self._address),
            "scheme": "ws",
            "subprotocols": list(subprotocols),
            "extensions": {"websocket.http.response": {}},
        }
        connection = WebSocketConnection(scope, buffer)
        with connection.streams():
            async with hosted(
                lambda: connection.run(self._asgi), connection.hang_up, connection.decided
            ):
                if connection.refusal is not None:
                    raise connection.refusal
                yield connection


class WebSocketConnection:
    """An open connection.

    Attributes:
        subprotocol: What the application chose of the subprotocols that were offered.
    """

    def __init__(self, scope: Scope, buffer: float) -> None:
        self.subprotocol: str | None = None
        self.decided = anyio.Event()
        self.refusal: WebSocketRefused | None = None
        self._scope = scope
        self._to_app, self._app_reads = anyio.create_memory_object_stream[Message](math.inf)
        self._to_client, self._inbox = anyio.create_memory_object_stream[str | bytes](buffer)
        self._to_app.send_nowait({"type": "websocket.connect"})
        self._closed: WebSocketClosed | None = None
        self._is_gone = False
        self._status = 403

    async def send_text(self, text: str) -> None:
        """Send a text message."""
        await self._give({"type": "websocket.receive", "text": text, "bytes": None})

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message."""
        await self._give({"type": "websocket.receive", "text": None, "bytes": data})

    async def send_json(self, value: Any) -> None:
        """Send a value as JSON text."""
        await self.send_text(msgspec.json.encode(value).decode())

    async def receive(self) -> str | bytes:
        """Return the next message.

        Raises:
            WebSocketClosed: If the application has closed the connection.
        """
        try:
            return await self._inbox.receive()
        except anyio.EndOfStream:
            raise self._closed or WebSocketClosed(1006, "the application ended") from None

    async def receive_json(self) -> Any:
        """Return the next message decoded from JSON; see `receive`."""
        return msgspec.json.decode(await self.receive())

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection; 1006 is a connection that breaks."""
        if not self._is_gone:
            self._is_gone = True
            self._inbox.close()
            self._leave(code, reason)

    def hang_up(self) -> None:
        """Close the connection if it is still open."""
        self._inbox.close()
        if not self._is_gone:
            self._is_gone = True
            self._leave(1000, "")

    async def run(self, asgi: AsgiCallable) -> None:
        """Run the application for this connection."""
        try:
            await asgi(self._scope, self._app_reads.receive, self._send)
        finally:
            self._to_client.close()
            if not self.decided.is_set():
                self.refusal = WebSocketRefused(1006, "the application ended before it accepted")

    def streams(self) -> _Streams:
        """Return what closes the ends of both directions."""
        return _Streams(self._to_app, self._app_reads, self._to_client, self._inbox)

    async def _give(self, message: Message) -> None:
        if self._closed is not None:
            raise self._closed
        await self._to_app.send(message)

    def _leave(self, code: int, reason: str) -> None:
        message = {"type": "websocket.disconnect", "code": code, "reason": reason}
        self._to_app.send_nowait(message)

    async def _send(self, message: Message) -> None:
        kind = message["type"].removeprefix("websocket.").replace(".", "_")
        if self._is_gone and kind == "send":
            return
        await getattr(self, f"_on_{kind}")(message)

    async def _on_accept(self, message: Message) -> None:
        check_sendable(list(message.get("headers", ())))
        self.subprotocol = message.get("subprotocol")
        self.decided.set()

    async def _on_send(self, message: Message) -> None:
        if not self.decided.is_set() or self._closed:
            msg = f"{self._scope['path']}: the application sent before it accepted or after the end"
            raise AssertionError(msg)
        text = message.get("text")
        try:
            await self._to_client.send(message["bytes"] if text is None else text)
        except anyio.BrokenResourceError:
            self._is_gone = True

    async def _on_close(self, message: Message) -> None:
        code, reason = message.get("code", 1000), message.get("reason") or ""
        if not self.decided.is_set():
            self.refusal = WebSocketRefused(code, reason)
            self.decided.set()
        self._closed = WebSocketClosed(code, reason)
        self._is_gone = True
        self._to_client.close()
        self._leave(code, reason)

    async def _on_http_response_start(self, message: Message) -> None:
        check_sendable(list(message.get("headers", ())))
        self._status = message["status"]
        self.refusal = WebSocketRefused(1006, "refused", status=self._status)

    async def _on_http_response_body(self, message: Message) -> None:
        body = (self.refusal.body if self.refusal else b"") + message.get("body", b"")
        self.refusal = WebSocketRefused(1006, "refused", status=self._status, body=body)
        if not message.get("more_body"):
            self._is_gone = True
            self.decided.set()
            self._leave(1006, "refused")


class _Streams:
    """Closes streams at the end of a block."""

    def __init__(self, *streams: Any) -> None:
        self._streams = streams

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_error: object) -> None:
        for stream in self._streams:
            stream.close()

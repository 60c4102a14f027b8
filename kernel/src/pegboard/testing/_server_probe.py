"""The application behind a server under test."""

from __future__ import annotations

from threading import Event as ThreadEvent
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from pegboard.contracts.asgi import Receive, Scope, Send

__all__ = ["Probe"]

_PAGE = b"x" * 3_000
_CHUNK = b"x" * 65_536


class Probe:
    """The application under test: one path for each thing that a server has to cope with.

    Attributes:
        stop: Given to the server; the open streams and sockets end when it is set.
        release: What `/slow` waits for.
        entered: Set when `/slow`, `/ignore` or `/disconnect` was called.
        disconnected: Set when `/disconnect` or a socket saw its client go.
        flooded: Bytes that `/flood` has handed to the server.
        scopes: The scopes of all requests, in order.
    """

    def __init__(self) -> None:
        self.stop = anyio.Event()
        self.release = anyio.Event()
        self.entered = ThreadEvent()
        self.disconnected = ThreadEvent()
        self.flooded = 0
        self.scopes: list[Scope] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the path says."""
        self.scopes.append(scope)
        if scope["type"] == "websocket":
            await (self._refuse if scope["path"] == "/refuse" else self._websocket)(receive, send)
            return
        name = scope["path"].lstrip("/") or "hello"
        await getattr(self, f"_{name}")(receive, send)

    async def _hello(self, receive: Receive, send: Send) -> None:
        await _answer(send, b"hello")

    async def _page(self, receive: Receive, send: Send) -> None:
        await _answer(send, _PAGE)

    async def _echo(self, receive: Receive, send: Send) -> None:
        await _answer(send, await _body(receive))

    async def _stream(self, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for index in range(3):
            part = b"part %d\n" % index
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _flood(self, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not self.stop.is_set():
            await send({"type": "http.response.body", "body": _CHUNK, "more_body": True})
            self.flooded += len(_CHUNK)
            await anyio.lowlevel.checkpoint()  # a server may swallow what nobody receives

    async def _slow(self, receive: Receive, send: Send) -> None:
        await _body(receive)
        self.entered.set()
        await self.release.wait()
        await _answer(send, b"done")

    async def _ignore(self, receive: Receive, send: Send) -> None:
        self.entered.set()
        await anyio.sleep_forever()

    async def _disconnect(self, receive: Receive, send: Send) -> None:
        await _body(receive)
        self.entered.set()
        while (await receive())["type"] != "http.disconnect":
            pass
        self.disconnected.set()

    async def _fail(self, receive: Receive, send: Send) -> None:
        msg = "the application failed on purpose"
        raise RuntimeError(msg)

    async def _events(self, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"data: first\n\n", "more_body": True})
        await self.stop.wait()
        await send({"type": "http.response.body", "body": b"data: last\n\n"})

    async def _refuse(self, receive: Receive, send: Send) -> None:
        await receive()
        headers = [(b"content-type", b"text/plain"), (b"content-length", b"4")]
        start = {"type": "websocket.http.response.start", "status": 404, "headers": headers}
        await send(start)
        await send({"type": "websocket.http.response.body", "body": b"none"})

    async def _websocket(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._say_goodbye, send)
            while (message := await receive())["type"] == "websocket.receive":
                kind = "text" if message.get("text") is not None else "bytes"
                await send({"type": "websocket.send", kind: message[kind]})
            self.disconnected.set()
            tasks.cancel_scope.cancel()

    async def _say_goodbye(self, send: Send) -> None:
        await self.stop.wait()
        await send({"type": "websocket.close", "code": 1012})


async def _answer(send: Send, body: bytes) -> None:
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _body(receive: Receive) -> bytes:
    parts = []
    more = True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    return b"".join(parts)

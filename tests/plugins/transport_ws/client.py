"""A WebSocket client that talks to an ASGI callable in process."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import anyio
import msgspec
from anyio.abc import TaskGroup

TIMEOUT = 20


class Closed(Exception):  # noqa: N818 - an end, and no error
    """The app closed the socket."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class Refused(Exception):  # noqa: N818 - an answer, and no error
    """The app refused the handshake."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason


class Pipe:
    """Messages on their way, without a bound and without a wait that is not needed."""

    def __init__(self) -> None:
        self._messages: deque[dict[str, Any]] = deque()
        self._arrived = anyio.Event()

    def put(self, message: dict[str, Any]) -> None:
        self._messages.append(message)
        self._arrived.set()

    async def get(self) -> dict[str, Any]:
        await anyio.lowlevel.checkpoint()
        while not self._messages:
            self._arrived = anyio.Event()
            await self._arrived.wait()
        return self._messages.popleft()


class Client:
    """One socket; use it with `async with connect(...)`.

    `pause` makes it a client that reads nothing: the app's next send waits.
    """

    def __init__(self, asgi: Any, scope: dict[str, Any]) -> None:
        self.subprotocol: str | None = None
        self.code: int | None = None
        self.scope = scope
        self.sending = 0
        self.ended = anyio.Event()
        self.cancel = anyio.CancelScope()
        self._asgi = asgi
        self._to_app, self._from_app = Pipe(), Pipe()
        self._reading = anyio.Event()
        self._reading.set()
        self._is_gone = False

    async def open(self, tasks: TaskGroup) -> Self:
        self.start(tasks)
        await self.accepted()
        return self

    def start(self, tasks: TaskGroup) -> None:
        self._to_app.put({"type": "websocket.connect"})
        tasks.start_soon(self._run)

    async def accepted(self) -> None:
        with anyio.fail_after(TIMEOUT):
            message = await self._from_app.get()
            if message["type"] == "websocket.accept":
                self.subprotocol = message["subprotocol"]
                return
            if message["type"] == "websocket.close":
                raise Refused(403, message["reason"])
            body = (await self._from_app.get())["body"]
            envelope = msgspec.json.decode(body)
            assert envelope["info"]["exec_code"] == message["status"]
            raise Refused(message["status"], envelope["info"]["help_text"])

    async def send(self, payload: Any) -> None:
        await self.send_text(msgspec.json.encode(payload).decode())

    async def send_text(self, text: str) -> None:
        self._to_app.put({"type": "websocket.receive", "text": text, "bytes": None})

    async def send_bytes(self, data: bytes) -> None:
        self._to_app.put({"type": "websocket.receive", "bytes": data})

    async def receive(self) -> Any:
        with anyio.fail_after(TIMEOUT):
            message = await self._from_app.get()
        if message["type"] == "websocket.close":
            raise Closed(message["code"], message["reason"])
        text = message.get("text")
        return message["bytes"] if text is None else msgspec.json.decode(text)

    async def closed(self) -> int:
        """Read on until the app closes; return the code."""
        try:
            while True:
                await self.receive()
        except Closed as end:
            return end.code

    def pause(self) -> None:
        self._reading = anyio.Event()

    def resume(self) -> None:
        self._reading.set()

    async def leave(self, code: int = 1000) -> None:
        """Go away, and wait until the app has noticed."""
        self._is_gone = True
        self.resume()
        self._to_app.put({"type": "websocket.disconnect", "code": code})
        with anyio.fail_after(TIMEOUT):
            await self.ended.wait()

    async def aclose(self) -> None:
        if not self.ended.is_set():
            await self.leave()

    async def _run(self) -> None:
        try:
            with self.cancel:
                await self._asgi(self.scope, self._to_app.get, self._take)
        finally:
            self.ended.set()

    async def _take(self, message: dict[str, Any]) -> None:
        self.sending += 1
        try:
            await anyio.lowlevel.checkpoint()
            await self._reading.wait()
        finally:
            self.sending -= 1
        if self._is_gone:
            raise OSError("the client has gone")
        self._from_app.put(message)


def scope_of(
    path: str,
    *,
    headers: dict[str, str] | None = None,
    subprotocols: tuple[str, ...] = (),
    address: str = "127.0.0.1",
    denial: bool = True,
) -> dict[str, Any]:
    path, _, query = path.partition("?")
    sent = {"host": "testserver", **(headers or {})}
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in sent.items()],
        "client": (address, 50_000),
        "server": ("testserver", 80),
        "subprotocols": list(subprotocols),
        "extensions": {"websocket.http.response": {}} if denial else {},
    }


@asynccontextmanager
async def connect(app: Any, path: str, **options: Any) -> AsyncIterator[Client]:
    """Open a socket to an app; it leaves at the end of the block."""
    async with anyio.create_task_group() as tasks:
        client = Client(app.asgi(), scope_of(path, **options))
        try:
            await client.open(tasks)
            yield client
        finally:
            with anyio.CancelScope(shield=True):
                await client.aclose()


async def refused(app: Any, path: str, **options: Any) -> Refused:
    """Try to connect; return why that is refused."""
    try:
        async with connect(app, path, **options):
            raise AssertionError("the handshake was accepted")
    except* Refused as group:
        (reason,) = group.exceptions
        assert isinstance(reason, Refused)
    return reason

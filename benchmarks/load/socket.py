"""WebSocket load: an echo on every connection, or a broadcast to all of them.

Run as ``python -m benchmarks.load.socket echo|room PORT CONNECTIONS``. It prints ``ready`` when
all connections are open, then reads lines ``SECONDS`` and prints one JSON line for each: messages
received, seconds taken, and for ``room`` the milliseconds from sending to the last receipt.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import cast

from benchmarks.load import frame
from benchmarks.loop import run
from benchmarks.payload import ECHO_PATH, ROOM_PATH, SOCKET_MARK, SOCKET_TEXT

AT_ONCE = 50
"""Connections being opened at the same time."""

STALL_SECONDS = 10.0
"""How long a run may stand still before it fails."""

MAX_MESSAGES = 20_000_000
"""Where a run ends even if its time is not over."""

_MESSAGE = frame.encode(frame.TEXT, SOCKET_TEXT)


class Connection(asyncio.Protocol):
    """One open connection; reports each message that carries the mark."""

    def __init__(self, path: str, on_message: Callable[["Connection"], None]) -> None:
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._path = path
        self._on_message = on_message
        self._head = b""
        self._frames = frame.Reader()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask to open."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(frame.handshake(self._path))

    def data_received(self, data: bytes) -> None:
        """Finish the handshake, then count messages and answer pings."""
        if not self.opened.done():
            data = self._open(data)
        for opcode, payload in self._frames.feed(data):
            if opcode in (frame.TEXT, frame.BINARY):
                if SOCKET_MARK in payload:
                    self._on_message(self)
            elif opcode == frame.PING and self._transport is not None:
                self._transport.write(frame.encode(frame.PONG, payload))

    def connection_lost(self, error: Exception | None) -> None:
        """Fail a handshake that never ended."""
        if not self.opened.done():
            self.opened.set_exception(ConnectionError(f"refused: {self._head!r}"))

    def send(self) -> None:
        """Send the message once."""
        assert self._transport is not None
        self._transport.write(_MESSAGE)

    def _open(self, data: bytes) -> bytes:
        self._head += data
        head, found, rest = self._head.partition(b"\r\n\r\n")
        if not found and len(head) < frame.HEAD_LIMIT:
            return b""
        if not head.startswith(b"HTTP/1.1 101"):
            self.opened.set_exception(ConnectionError(f"refused: {head[:500]!r}"))
            return b""
        self.opened.set_result(None)
        return rest


class Run:
    """Connections to one path, and what arrives on them."""

    def __init__(self, port: int, path: str) -> None:
        self._port = port
        self._path = path
        self._connections: list[Connection] = []
        self._received = 0
        self._react: Callable[[Connection], None] = lambda _: None

    async def open(self, count: int) -> None:
        """Open ``count`` connections."""
        while len(self._connections) < count:
            batch = min(AT_ONCE, count - len(self._connections))
            await asyncio.gather(*(self._connect() for _ in range(batch)))

    async def echo(self, seconds: float) -> dict[str, float]:
        """Keep one message on its way on every connection."""
        done = asyncio.Event()
        began = time.perf_counter()
        end = began + seconds

        def react(connection: Connection) -> None:
            if time.perf_counter() >= end or self._received >= MAX_MESSAGES:
                done.set()
            else:
                connection.send()

        self._received = 0
        self._react = react
        for connection in self._connections:
            connection.send()
        await asyncio.wait_for(done.wait(), seconds + STALL_SECONDS)
        answer = {"messages": self._received, "seconds": time.perf_counter() - began}
        await self._settle()
        return answer

    async def room(self, seconds: float) -> dict[str, float]:
        """Send on one connection, wait until all have received, and again."""
        everyone = len(self._connections)
        arrived = asyncio.Event()
        self._react = lambda _: arrived.set() if self._received >= everyone else None
        total, last = 0, []
        began = time.perf_counter()
        while time.perf_counter() < began + seconds and total < MAX_MESSAGES:
            self._received = 0
            arrived.clear()
            sent = time.perf_counter()
            self._connections[0].send()
            await asyncio.wait_for(arrived.wait(), STALL_SECONDS)
            last.append((time.perf_counter() - sent) * 1000)
            total += everyone
        took = time.perf_counter() - began
        return {"messages": total, "seconds": took, "last_ms": median(last)}

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: Connection(self._path, self._count), "127.0.0.1", self._port
        )
        await asyncio.wait_for(connection.opened, STALL_SECONDS)
        self._connections.append(connection)

    def _count(self, connection: Connection) -> None:
        self._received += 1
        self._react(connection)

    async def _settle(self) -> None:
        """Wait until nothing has arrived for a moment, so that a run leaves nothing on its way."""
        self._react = lambda _: None
        before = -1
        while before != self._received:
            before = self._received
            await asyncio.sleep(0.05)


async def main(kind: str, port: int, connections: int) -> None:
    """Open the connections, then run as told by standard input."""
    load = Run(port, {"echo": ECHO_PATH, "room": ROOM_PATH}[kind])
    await load.open(connections)
    print("ready", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        answer = await (load.echo if kind == "echo" else load.room)(float(line))
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])), uvloop=True)

"""A small HTTP load generator for where wrk is missing.

Run as ``python -m benchmarks.load.client METHOD PORT CONNECTIONS SECONDS``; prints one JSON line.
"""

import asyncio
import json
import re
import sys
import time
from typing import cast

from benchmarks.load.request import REQUESTS
from benchmarks.loop import run

MAX_REQUESTS = 5_000_000
"""Where a run ends even if its time is not over."""

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Run:
    """The state that all connections of one run share."""

    def __init__(self, request: bytes, seconds: float) -> None:
        self.request = request
        self.done = asyncio.Event()
        self.latencies: list[float] = []
        self.errors = 0
        self.end = time.perf_counter() + seconds

    def count(self, began: float, *, is_good: bool) -> bool:
        """Record one answer; return whether the run goes on."""
        now = time.perf_counter()
        self.latencies.append(now - began)
        self.errors += not is_good
        if now >= self.end or len(self.latencies) >= MAX_REQUESTS:
            self.done.set()
        return not self.done.is_set()


class Connection(asyncio.Protocol):
    """One keep-alive connection: sends the next request when the answer is complete."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._buffer = b""
        self._began = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        """Count the answer when its last byte is here."""
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        length = _LENGTH.search(self._buffer, 0, head)
        if length is None:
            raise RuntimeError(f"an answer without content-length: {self._buffer[:200]!r}")
        if len(self._buffer) < head + 4 + int(length[1]):
            return
        is_good = self._buffer.startswith(b"HTTP/1.1 200")
        self._buffer = b""
        if self._run.count(self._began, is_good=is_good):
            self._send()

    def connection_lost(self, error: Exception | None) -> None:
        """Count a connection that the server closed during the run."""
        if not self._run.done.is_set():
            self._run.errors += 1

    def _send(self) -> None:
        assert self._transport is not None
        self._began = time.perf_counter()
        self._transport.write(self._run.request)


async def main(method: str, port: int, connections: int, seconds: float) -> None:
    """Send load and print what it came to."""
    loop = asyncio.get_running_loop()
    began = time.perf_counter()
    load = Run(REQUESTS[method].encode(), seconds)
    for _ in range(connections):
        await loop.create_connection(lambda: Connection(load), "127.0.0.1", port)
    await asyncio.wait_for(load.done.wait(), seconds + 5)
    took = time.perf_counter() - began
    count = len(load.latencies)
    p99 = sorted(load.latencies)[int(count * 0.99)] * 1000
    answer = {
        "requests": count,
        "per_second": count / took,
        "p99_ms": p99,
        "errors": load.errors,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])), uvloop=True)

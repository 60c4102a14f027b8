"""Saves a source file again and again under steady load, and notes what its clients notice.

Run as ``python -m benchmarks.load.saves PLAN``, a `Plan` in JSON; prints a `Seen` in JSON. One
process saves and asks, so that one clock times both; it is kept cheap, because on a small machine
every microsecond of it is one that the server waits for.
"""

import asyncio
import json
import re
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from math import inf
from pathlib import Path
from typing import cast

from benchmarks.load import frame
from benchmarks.loop import run

GET = b"GET /api/bench/get HTTP/1.1\r\nhost: bench\r\n\r\n"
STREAM = b"GET /sse/bench/ticks HTTP/1.1\r\nhost: bench\r\n\r\n"
TALK = "/ws/bench/talk"
MESSAGE = frame.encode(frame.TEXT, b"1")

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)

PROBE_SECONDS = 0.001
"""Seconds between an answer of the old code and the next question whether the new one serves."""

MESSAGE_SECONDS = 0.2
"""Seconds between two messages on one WebSocket."""

PATIENCE = 5.0
"""Seconds after which a request that was not answered has failed."""

RETRY = 0.02
"""Seconds before a connection that was refused or lost is opened again."""

WARM_UP = 1.0
"""Seconds in which all connections are opened, before anything is counted."""

BROKEN_SECONDS = 0.1
"""How long a mistake stays in the file before it is mended."""

PAUSE_SECONDS = 0.05
"""From one save to the next, at least."""

LONGEST_REHEARSAL = 0.5
"""Seconds of a rehearsal at most: some programs take many to serve new code."""

NO_VERSION = -1
"""What no program answers."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to do.

    Attributes:
        port: where the program listens on loopback.
        source: the file that is saved.
        decoy: a file that nobody follows, saved in the rehearsals.
        text: its text, with ``{version}`` for the number of the save.
        saves: how often it is saved.
        broken_every: each how manieth save is one with a mistake in it first.
        rate: requests per second, in an open loop: one that is late does not delay the next.
        pool: connections for them; more are opened while all are busy.
        sockets: open WebSockets, each exchanging five messages a second.
        streams: open event streams.
        quiet: seconds of load before the first save.
        give_up: seconds until new code that does not answer is given up on.
        hopeless: new codes in a row that did not answer, after which the rest is left out.
    """

    port: int
    source: str
    decoy: str
    text: str
    saves: int
    broken_every: int = 10
    rate: float = 200.0
    pool: int = 16
    sockets: int = 50
    streams: int = 20
    quiet: float = 10.0
    give_up: float = 8.0
    hopeless: int = 2


@dataclass
class Seen:
    """What the clients noticed; times in seconds.

    Attributes:
        quiet: latencies of requests before the first save.
        saving: latencies from the first save to the last.
        during: those of them that were on their way between a save and its first new answer.
        rehearsed: those in as many moments between, as long, in which the same was saved and asked
            for, but in the decoy: what the load itself costs, on this machine, at this time.
        failed: requests that got no answer.
        cut: connections that were closed, of each kind.
        to_new: from the end of a save to the first answer of the new code.
        never: saves whose code was never seen.
        messages: answers over WebSockets.
        chunks: what came over streams.
    """

    quiet: list[float] = field(default_factory=list)
    saving: list[float] = field(default_factory=list)
    during: list[float] = field(default_factory=list)
    rehearsed: list[float] = field(default_factory=list)
    failed: int = 0
    cut: dict[str, int] = field(default_factory=lambda: {"http": 0, "socket": 0, "stream": 0})
    to_new: list[float] = field(default_factory=list)
    never: int = 0
    messages: int = 0
    chunks: int = 0


class Exchange(asyncio.Protocol):
    """A keep-alive connection with at most one request on its way."""

    def __init__(self, on_answer: Callable[["Exchange", bytes | None], None]) -> None:
        self._on_answer = on_answer
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self.due = 0.0
        self.is_open = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def ask(self, due: float) -> None:
        """Send a request that was due at that time."""
        assert self._transport is not None
        self.due = min(due, time.perf_counter())
        self._transport.write(GET)

    def data_received(self, data: bytes) -> None:
        """Hand on the body when its last byte is here."""
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        length = _LENGTH.search(self._buffer, 0, head)
        if length is None or len(self._buffer) < head + 4 + int(length[1]):
            return
        body, self._buffer = self._buffer[head + 4 :], b""
        self._on_answer(self, body)

    def connection_lost(self, error: Exception | None) -> None:
        """Say so."""
        self.is_open = False
        self._on_answer(self, None)

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.abort()


class Requests:
    """Requests at a steady rate."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._idle: deque[Exchange] = deque()
        self._busy: set[Exchange] = set()
        self._waiting: deque[float] = deque()
        self._opening = 0

    async def run(self) -> None:
        """Ask whenever it is time, until cancelled."""
        for _ in range(self._load.plan.pool):
            self._idle.append(await self._load.connect(partial(Exchange, self._answered)))
        due = time.perf_counter()
        while True:
            due += 1 / self._load.plan.rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            self._ask(due)
            self._end_overdue(due - PATIENCE)

    def _ask(self, due: float) -> None:
        if self._idle:
            connection = self._idle.popleft()  # each is used before the server may close it as idle
            self._busy.add(connection)
            connection.ask(due)
        else:
            self._waiting.append(due)
            if self._opening + len(self._busy) < 4 * self._load.plan.pool:
                self._opening += 1
                self._load.start(self._open())

    async def _open(self) -> None:
        try:
            connection = await self._load.connect(partial(Exchange, self._answered))
        except OSError:
            if self._waiting:
                self._waiting.popleft()
                self._load.seen.failed += 1
            return
        finally:
            self._opening -= 1
        self._next(connection)

    def _next(self, connection: Exchange) -> None:
        if self._waiting:
            self._busy.add(connection)
            connection.ask(self._waiting.popleft())
        elif len(self._idle) < self._load.plan.pool:
            self._idle.append(connection)
        else:
            connection.close()

    def _answered(self, connection: Exchange, body: bytes | None) -> None:
        is_asked = connection in self._busy
        self._busy.discard(connection)
        if body is not None:
            self._load.note(connection.due)
            self._next(connection)
        elif is_asked or connection in self._idle:  # else we have closed it
            self._load.seen.failed += is_asked
            self._load.seen.cut["http"] += 1
            self._idle = deque(each for each in self._idle if each is not connection)

    def _end_overdue(self, before: float) -> None:
        while self._waiting and self._waiting[0] < before:
            self._waiting.popleft()
            self._load.seen.failed += 1
        for each in [one for one in self._busy if one.due < before]:
            each.close()


class Socket(asyncio.Protocol):
    """A WebSocket that says something now and then and is answered."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._head: bytes | None = b""
        self._frames = frame.Reader()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask to open."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(frame.handshake(TALK))

    def data_received(self, data: bytes) -> None:
        """Finish the handshake; then answer pings, and speak a while after each answer."""
        assert self._transport is not None
        if self._head is not None:
            self._head += data
            head, found, data = self._head.partition(b"\r\n\r\n")
            if not found:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self._transport.close()
                return
            self._head = None
            self._say()
        for opcode, payload in self._frames.feed(data):
            if opcode in (frame.TEXT, frame.BINARY):
                self._load.seen.messages += 1
                asyncio.get_running_loop().call_later(MESSAGE_SECONDS, self._say)
            elif opcode == frame.PING:
                self._transport.write(frame.encode(frame.PONG, payload))

    def _say(self) -> None:
        if self._transport is not None:
            self._transport.write(MESSAGE)

    def connection_lost(self, error: Exception | None) -> None:
        """Count it, and come back."""
        self._transport = None
        self._load.lost("socket", self._head is None, partial(Socket, self._load))


class Stream(asyncio.Protocol):
    """An event stream that is read."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._has_begun = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for it."""
        cast("asyncio.Transport", transport).write(STREAM)

    def data_received(self, data: bytes) -> None:
        """Count what comes."""
        self._has_begun = True
        self._load.seen.chunks += 1

    def connection_lost(self, error: Exception | None) -> None:
        """Count it, and come back."""
        self._load.lost("stream", self._has_begun, partial(Stream, self._load))


class Load:
    """All clients of one run, and the saves."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.seen = Seen()
        self._source = Path(plan.source)
        self._decoy = Path(plan.decoy)
        self._tasks: set[asyncio.Task[None]] = set()
        self._phase = self.seen.quiet
        self._window = self.seen.during
        self._window_end = 0.0
        self._saved = 0.0
        self._took = 0.0

    async def run(self) -> Seen:
        """Open all, save as often as planned, and answer what was seen."""
        if not await self._renewal(0, 60.0):
            msg = "the program does not answer"
            raise RuntimeError(msg)
        for kind, count in ((Socket, self.plan.sockets), (Stream, self.plan.streams)):
            for _ in range(count):
                await self.connect(partial(kind, self))
        self.start(Requests(self).run())
        await asyncio.sleep(WARM_UP)
        self.seen.quiet.clear()
        await asyncio.sleep(self.plan.quiet)
        self._phase = self.seen.saving
        await self._save_all()
        seen, self.seen = self.seen, Seen()
        for each in self._tasks:
            each.cancel()
        return seen

    async def _save_all(self) -> None:
        hopeless = 0
        for number in range(1, self.plan.saves + 1):
            await self._save(self._source, number, self.seen.during)
            if await self._renewal(number, self.plan.give_up):
                self._took = time.perf_counter() - self._saved
                self.seen.to_new.append(self._took)
                hopeless = 0
            else:
                self.seen.never += 1
                hopeless += 1
                if hopeless >= self.plan.hopeless:
                    return
            await self._pause(number)
            if not hopeless:
                await self._save(self._decoy, number, self.seen.rehearsed)
                await self._renewal(NO_VERSION, min(self._took, LONGEST_REHEARSAL))
                await self._pause(number)

    async def _save(self, file: Path, number: int, window: list[float]) -> None:
        """Save a file, with a mistake in it first where it is time for one; open a window."""
        self._window, self._window_end = window, inf
        if number % self.plan.broken_every == 0:
            await asyncio.to_thread(self._write, file, "+ nothing (")
            await asyncio.sleep(BROKEN_SECONDS)
        await asyncio.to_thread(self._write, file, str(number))

    def _write(self, file: Path, version: str) -> None:
        """Write in a thread: a disk that takes its time is not to be seen in latencies."""
        file.write_text(self.plan.text.replace("{version}", version))
        self._saved = time.perf_counter()

    async def _pause(self, number: int) -> None:
        self._window_end = time.perf_counter()
        await asyncio.sleep(PAUSE_SECONDS + 0.01 * (number % 7))

    async def _renewal(self, version: int, seconds: float) -> bool:
        """Ask on one connection until the new code answers; whether it did in time."""
        end = time.perf_counter() + seconds
        wanted = re.compile(rb'"data":%d[,}]' % version)
        answer: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        connection: Exchange | None = None
        is_new = False

        def answered(which: Exchange, body: bytes | None) -> None:
            if which is connection and not answer.done():
                answer.set_result(body)

        while time.perf_counter() < end:
            answer = asyncio.get_running_loop().create_future()
            try:
                if connection is None or not connection.is_open:
                    connection = await self.connect(partial(Exchange, answered))
                connection.ask(time.perf_counter())
                body = await asyncio.wait_for(answer, 1.0)
            except OSError:
                body = None
            if body is None:
                connection = None
                await asyncio.sleep(RETRY)
            elif wanted.search(body + b"}"):
                is_new = True
                break
            else:
                await asyncio.sleep(PROBE_SECONDS)
        if connection is not None:
            connection.close()
        return is_new

    # -- for the clients -------------------------------------------------------------------

    async def connect(self, protocol: Callable[[], asyncio.Protocol]) -> "Exchange":
        """Open a connection.

        Raises:
            OSError: If that is refused.
        """
        loop = asyncio.get_running_loop()
        _, made = await loop.create_connection(protocol, "127.0.0.1", self.plan.port)
        return cast("Exchange", made)

    def start(self, work: "asyncio._CoroutineLike[None]") -> None:
        """Run something beside the rest."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def note(self, due: float) -> None:
        """Count an answer to a request that was due at that time."""
        now = time.perf_counter()
        self._phase.append(now - due)
        if due < self._window_end:
            self._window.append(now - due)

    def lost(self, kind: str, was_open: bool, again: Callable[[], asyncio.Protocol]) -> None:
        """Count a connection that was closed, and open it anew."""
        self.seen.cut[kind] += was_open

        async def reopen() -> None:
            while True:
                await asyncio.sleep(RETRY)
                try:
                    await self.connect(again)
                except OSError:
                    continue
                return

        self.start(reopen())


async def main(plan: Plan) -> None:
    """Do as planned and print what was seen."""
    print(json.dumps(asdict(await Load(plan).run())), flush=True)


if __name__ == "__main__":
    run(main(Plan(**json.loads(sys.argv[1]))), uvloop=True)

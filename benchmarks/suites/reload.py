"""Saves under load: what callers, sockets and streams notice, and when the new code answers.

Each program serves the same three things while its source file is saved again and again, now and
then with a mistake in it. Times are taken by the client: from the end of the save to the first
answer of the new code, over a connection of its own that asks again and again during a save.
"""

import asyncio
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from benchmarks.options import Options
from benchmarks.report import Report
from benchmarks.sample import Samples
from benchmarks.table import Cell, table
from benchmarks.target import Target


@dataclass(frozen=True, kw_only=True)
class Load:
    """What is asked of a program meanwhile.

    Attributes:
        rate: requests per second, in an open loop: one that is late does not delay the next.
        pool: connections that the requests go over.
        sockets: open WebSockets, each exchanging five messages a second.
        streams: open event streams.
    """

    rate: float = 200.0
    pool: int = 16
    sockets: int = 50
    streams: int = 20


LIGHT = Load(rate=20, pool=2, sockets=3, streams=2)
"""Just enough to see that it works."""

BROKEN_EVERY = 10
"""Each how manieth save has a mistake in it."""

STALLED = 0.1
"""Seconds from which on an answer counts as stalled."""

GIVE_UP = 8.0
"""Seconds until new code that does not answer is given up on."""

MOD = """
{slow}from pegboard import get_app

export = get_app("bench").tb

VERSION = {version}


@export(mod_name="bench", api=True)
async def get() -> int:
    return VERSION


@export(mod_name="bench", websocket_handler="talk")
def talk() -> object:
    async def on_message(payload: object) -> object:
        return {{"version": VERSION}}

    return {{"on_message": on_message}}


@export(mod_name="bench", api=True)
async def ticks() -> object:
    import anyio

    while True:
        yield VERSION
        await anyio.sleep(0.1)
"""

PLAIN = """
{slow}import asyncio

VERSION = {version}
JSON = [(b"content-type", b"application/json")]


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({{"type": message["type"] + ".complete"}})
            if message["type"] == "lifespan.shutdown":
                return
    if scope["type"] == "websocket":
        await receive()
        await send({{"type": "websocket.accept"}})
        while (await receive())["type"] == "websocket.receive":
            await send({{"type": "websocket.send", "text": str(VERSION)}})
        return
    stream = scope["path"].startswith("/sse")
    body = b'"data":%d' % VERSION
    headers = JSON if stream else [*JSON, (b"content-length", b"%d" % len(body))]
    await send({{"type": "http.response.start", "status": 200, "headers": headers}})
    if not stream:
        await send({{"type": "http.response.body", "body": body}})
        return

    async def tick():
        while True:
            chunk = b"data: %d\\n\\n" % VERSION
            await send({{"type": "http.response.body", "body": chunk, "more_body": True}})
            await asyncio.sleep(0.1)

    ticking = asyncio.ensure_future(tick())
    while (await receive())["type"] != "http.disconnect":
        pass
    ticking.cancel()
"""

SLOW_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Program:
    """A server that follows its sources."""

    name: str
    module: str
    source: str
    text: str
    command: Callable[[int, Path], list[str]]


def _tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


PROGRAMS = [
    Program(
        name="pegboard serve --reload",
        module="pegboard_hot_reload",
        source="mods/bench.py",
        text=MOD,
        command=lambda port, folder: [
            *(_tool("pegboard"), "serve", "--reload", "--mod", "bench", "--log-level", "error"),
            *("--project", str(folder), "--port", str(port)),
        ],
    ),
    Program(
        name="uvicorn --reload",
        module="uvicorn",
        source="bench.py",
        text=PLAIN,
        command=lambda port, _: [
            *(sys.executable, "-m", "uvicorn", "bench:app", "--reload", "--port", str(port)),
            *("--log-level", "critical", "--no-access-log"),
        ],
    ),
    Program(
        name="hypercorn --reload",
        module="hypercorn",
        source="bench.py",
        text=PLAIN,
        command=lambda port, _: [
            *(sys.executable, "-m", "hypercorn", "bench:app", "--reload"),
            *("--bind", f"127.0.0.1:{port}", "--log-level", "critical"),
        ],
    ),
    Program(
        name="granian --reload",
        module="granian",
        source="bench.py",
        text=PLAIN,
        command=lambda port, _: [
            *(_tool("granian"), "--interface", "asgi", "--reload", "bench:app"),
            *("--host", "127.0.0.1", "--port", str(port), "--no-log"),
        ],
    ),
]


@dataclass
class Seen:
    """What the clients noticed."""

    quiet: list[float] = field(default_factory=list)
    during: list[float] = field(default_factory=list)
    failed: int = 0
    dropped: int = 0
    sockets_closed: int = 0
    streams_closed: int = 0
    to_new: list[float] = field(default_factory=list)
    never: int = 0
    saving: bool = False

    def note(self, seconds: float) -> None:
        """Count an answer."""
        (self.during if self.saving else self.quiet).append(seconds)


def run(options: Options) -> Report:
    """Save under load and compare what is noticed."""
    samples = Samples()
    tables = []
    slow_seconds = 0.2 if options.smoke else SLOW_SECONDS
    for title, slow in (
        ("a small file", ""),
        (f"a file that imports what takes {slow_seconds:g} s", "import slow\n"),
    ):
        rows: list[list[Cell]] = []
        for program in PROGRAMS:
            if find_spec(program.module) is None:
                options.left_out[program.name] = "not installed"
                continue
            is_ours = program.text is MOD
            saves = 4 if options.smoke else 200 if is_ours else 20
            saves = saves if is_ours or not slow else min(saves, 6)
            load = LIGHT if options.smoke else Load()
            seen = asyncio.run(_measure(program, load, slow, slow_seconds, saves))
            rows.append(_row(program.name, saves, seen))
            _keep(samples, f"{program.name}, {title}", seen)
        tables.append(table(f"Saves of {title}", HEAD, rows))
    return Report(suite="reload", tables=tables, samples=samples, targets=_targets(samples))


HEAD = (
    "program", "saves", "to new code ms", "p99", "never", "requests", "failed", "stalled",
    "p99 quiet ms", "p99 saving ms", "conns cut", "sockets cut", "streams cut",
)  # fmt: skip


def _row(name: str, saves: int, seen: Seen) -> list[Cell]:
    every = [*seen.quiet, *seen.during]
    return [
        *(name, str(saves), _at(seen.to_new, 50), _at(seen.to_new, 99), str(seen.never)),
        *(str(len(every) + seen.failed), str(seen.failed)),
        str(sum(each > STALLED for each in every)),
        *(_at(seen.quiet, 99), _at(seen.during, 99)),
        *(str(seen.dropped), str(seen.sockets_closed), str(seen.streams_closed)),
    ]


def _at(values: list[float], percent: int) -> float | None:
    if len(values) < 2:
        return values[0] * 1e3 if values else None
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1] * 1e3


def _keep(samples: Samples, name: str, seen: Seen) -> None:
    samples.add(name, "median to new code, ms", _at(seen.to_new, 50) or 0.0)
    samples.add(name, "p99 to new code, ms", _at(seen.to_new, 99) or 0.0)
    closed = seen.failed + seen.dropped + seen.sockets_closed + seen.streams_closed
    samples.add(name, "failed or closed", float(closed))
    quiet = _at(seen.quiet, 99) or 1.0
    samples.add(name, "p99 while saving by p99 without", (_at(seen.during, 99) or 0.0) / quiet)


LIMITS = {
    "median to new code, ms": 10.0,
    "p99 to new code, ms": 25.0,
    "failed or closed": 0.0,
    "p99 while saving by p99 without": 2.0,
}


def _targets(samples: Samples) -> list[Target]:
    return [
        Target(text=f"{name}: {case}", limit=limit, value=samples.median(name, case))
        for name in samples.values
        if name.startswith("pegboard")
        for case, limit in LIMITS.items()
    ]


# -- one program ---------------------------------------------------------------------------


async def _measure(
    program: Program,
    load: Load,
    slow: str,
    slow_seconds: float,
    saves: int,
) -> Seen:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / program.source
        source.parent.mkdir(exist_ok=True)
        (folder / "slow.py").write_text(f"import time\ntime.sleep({slow_seconds})\n")
        text = program.text.replace("{slow}", slow)
        source.write_text(text.format(version=0))
        port = _free_port()
        process = subprocess.Popen(
            program.command(port, folder),
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            return await _drive(port, load, source, text, saves)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


async def _drive(port: int, load: Load, source: Path, text: str, saves: int) -> Seen:
    seen, stop = Seen(), asyncio.Event()
    await _until_version(port, 0, 60.0)
    tasks = [asyncio.ensure_future(_requests(port, load, seen, stop))]
    tasks += [asyncio.ensure_future(_socket(port, seen, stop)) for _ in range(load.sockets)]
    tasks += [asyncio.ensure_future(_stream(port, seen, stop)) for _ in range(load.streams)]
    await asyncio.sleep(3.0 if saves > 4 else 0.5)
    seen.saving = True
    for number in range(1, saves + 1):
        if number % BROKEN_EVERY == 0:
            await asyncio.to_thread(source.write_text, text.format(version="+ nothing ("))
            await asyncio.sleep(0.15)
        await asyncio.to_thread(source.write_text, text.format(version=number))
        begun = time.perf_counter()
        if await _until_version(port, number, GIVE_UP):
            seen.to_new.append(time.perf_counter() - begun)
        else:
            seen.never += 1
        await asyncio.sleep(0.1 + 0.01 * (number % 7))
    seen.saving = False
    stop.set()
    for each in tasks:
        each.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return seen


# -- clients -------------------------------------------------------------------------------


class _Connection:
    """HTTP/1.1 with keep-alive, as little of it as this needs."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self) -> bytes:
        """Return the body of an answer."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(b"GET /api/bench/get HTTP/1.1\r\nhost: bench\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        length = head.lower().split(b"content-length:")[1].split(b"\r\n")[0]
        return await reader.readexactly(int(length))

    def close(self) -> bool:
        """Hang up; whether there was a connection."""
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()
        return streams is not None


async def _until_version(port: int, version: int, seconds: float) -> bool:
    connection, end = _Connection(port), time.perf_counter() + seconds
    wanted = b'"data":%d' % version
    while time.perf_counter() < end:
        try:
            body = await asyncio.wait_for(connection.get(), 1.0)
            if wanted + b"," in body + b"," or wanted + b"}" in body:
                connection.close()
                return True
        except (OSError, asyncio.IncompleteReadError, TimeoutError, IndexError):
            connection.close()
            await asyncio.sleep(0.01)
    connection.close()
    return False


async def _requests(port: int, load: Load, seen: Seen, stop: asyncio.Event) -> None:
    idle = [_Connection(port) for _ in range(load.pool)]
    running: set[asyncio.Task[None]] = set()

    async def one(due: float) -> None:
        connection = idle.pop(0) if idle else _Connection(port)
        try:
            await asyncio.wait_for(connection.get(), 5.0)
            seen.note(time.perf_counter() - due)
        except asyncio.CancelledError:
            connection.close()
            raise
        except (OSError, asyncio.IncompleteReadError, TimeoutError, IndexError):
            seen.failed += 1
            seen.dropped += connection.close()
        idle.append(connection)

    due = time.perf_counter()
    try:
        while not stop.is_set():
            task = asyncio.ensure_future(one(due))
            running.add(task)
            task.add_done_callback(running.discard)
            due += 1 / load.rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
    finally:
        for task in running:
            task.cancel()
        for each in idle:
            each.close()


async def _socket(port: int, seen: Seen, stop: asyncio.Event) -> None:
    from websockets.asyncio.client import connect
    from websockets.exceptions import WebSocketException

    while not stop.is_set():
        with suppress(OSError, WebSocketException, TimeoutError):
            async with connect(f"ws://127.0.0.1:{port}/ws/bench/talk") as client:
                try:
                    while True:
                        await client.send("1")
                        await asyncio.wait_for(client.recv(), 5.0)
                        await asyncio.sleep(0.2)
                except (OSError, WebSocketException, TimeoutError):
                    seen.sockets_closed += 1
        await asyncio.sleep(0.05)


async def _stream(port: int, seen: Seen, stop: asyncio.Event) -> None:
    while not stop.is_set():
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(b"GET /sse/bench/ticks HTTP/1.1\r\nhost: bench\r\n\r\n")
                while await asyncio.wait_for(reader.read(4096), 5.0):
                    pass
                seen.streams_closed += 1
            except (OSError, TimeoutError):
                seen.streams_closed += 1
            finally:
                writer.close()
        await asyncio.sleep(0.05)

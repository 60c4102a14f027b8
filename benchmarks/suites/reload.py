"""Saves under load: what callers, sockets and streams notice, and when the new code answers.

Each program serves the same three things while its source file is saved again and again, now and
then with a mistake in it. `benchmarks.load.saves` saves and asks. The others are also run without
sockets and streams, since with them some never serve new code at all.
"""

import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from benchmarks.child import Child, cores
from benchmarks.load.saves import Plan, Seen
from benchmarks.options import Options
from benchmarks.report import Report
from benchmarks.sample import Samples
from benchmarks.table import Cell, table
from benchmarks.target import Target

OURS = "pegboard"

STALLED = 0.1
"""Seconds from which on an answer counts as stalled."""

LONGEST = 280.0
"""Seconds that the load on one program may take."""

MOD = """
{extra}from pegboard import get_app

export = get_app("bench").tb

VERSION = {version}


@export(mod_name="bench", api=True)
async def get() -> int:
    return VERSION


@export(mod_name="bench", websocket_handler="talk")
def talk() -> object:
    async def on_message(payload: object) -> object:
        return {"version": VERSION}

    return {"on_message": on_message}


@export(mod_name="bench", api=True)
async def ticks() -> object:
    import anyio

    while True:
        yield VERSION
        await anyio.sleep(0.1)
"""

PLAIN = """
{extra}import asyncio

VERSION = {version}
JSON = [(b"content-type", b"application/json")]


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": str(VERSION)})
        return
    stream = scope["path"].startswith("/sse")
    body = b'"data":%d' % VERSION
    headers = JSON if stream else [*JSON, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if not stream:
        await send({"type": "http.response.body", "body": body})
        return

    async def tick():
        while True:
            chunk = b"data: %d\\n\\n" % VERSION
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await asyncio.sleep(0.1)

    ticking = asyncio.ensure_future(tick())
    while (await receive())["type"] != "http.disconnect":
        pass
    ticking.cancel()
"""

SLOW_SECONDS = 2.0

LIGHT = {"rate": 20.0, "pool": 2, "sockets": 3, "streams": 2, "quiet": 0.5}
"""Just enough to see that it works."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """A server that follows its sources."""

    name: str
    module: str
    source: str
    text: str
    command: Callable[[int, Path], list[str]]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A question: what is served, and under which load.

    Attributes:
        title: What is asked.
        extra: A line at the head of what is served.
        load: What differs from the usual load.
    """

    title: str
    extra: str = ""
    load: dict[str, int]


CASES = [
    Case(title="a small file, requests, sockets and streams", load={}),
    Case(title="it imports what takes 2 s to import", extra="import slow\n", load={}),
    Case(title="a small file, requests only", load={"sockets": 0, "streams": 0}),
]


def _tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


PROGRAMS = [
    Program(
        name=OURS,
        module="pegboard_hot_reload",
        source="mods/bench.py",
        text=MOD,
        command=lambda port, folder: [
            *(_tool("pegboard"), "serve", "--reload", "--mod", "bench", "--log-level", "error"),
            *("--project", str(folder), "--port", str(port)),
        ],
    ),
    Program(
        name="uvicorn",
        module="uvicorn",
        source="bench.py",
        text=PLAIN,
        command=lambda port, _: [
            *(sys.executable, "-m", "uvicorn", "bench:app", "--reload", "--port", str(port)),
            *("--log-level", "critical", "--no-access-log"),
        ],
    ),
    Program(
        name="hypercorn",
        module="hypercorn",
        source="bench.py",
        text=PLAIN,
        command=lambda port, _: [
            *(sys.executable, "-m", "hypercorn", "bench:app", "--reload"),
            *("--bind", f"127.0.0.1:{port}", "--log-level", "critical"),
        ],
    ),
    Program(
        name="granian",
        module="granian",
        source="bench.py",
        text=PLAIN,
        command=lambda port, _: [
            *(_tool("granian"), "--interface", "asgi", "--reload", "bench:app"),
            *("--host", "127.0.0.1", "--port", str(port), "--no-log"),
        ],
    ),
]


def run(options: Options) -> Report:
    """Save under load and compare what is noticed."""
    samples, tables = Samples(), []
    programs = [each for each in PROGRAMS if _is_wanted(each, options)]
    for case in CASES[-1:] if options.smoke else CASES:
        rows: list[list[Cell]] = []
        for program in programs:
            plan = _plan(program, case, options)
            seen = _measure(program, case, plan)
            rows.append(_row(program.name, seen))
            _keep(samples, f"{program.name}, {case.title}", seen)
        tables.append(table(case.title.capitalize(), HEAD, rows))
    return Report(suite="reload", tables=tables, samples=samples, targets=_targets(samples))


def _is_wanted(program: Program, options: Options) -> bool:
    if options.only and program.name not in options.only:
        return False
    if find_spec(program.module) is None:
        options.left_out[program.name] = "not installed"
        return False
    return True


def _plan(program: Program, case: Case, options: Options) -> Plan:
    is_ours = program.name == OURS
    text = program.text.replace("{extra}", case.extra)
    plan = Plan(port=0, source=program.source, decoy="", text=text, saves=200 if is_ours else 20)
    if options.smoke:
        plan = replace(plan, **LIGHT, saves=4, broken_every=3, give_up=4.0, hopeless=1)  # type: ignore[arg-type]  # each is of its type
    return replace(plan, **case.load)  # type: ignore[arg-type]  # the same


HEAD = (
    "--reload", "saves", "to new code ms", "p99", "never", "requests", "failed", "stalled",
    "p99 quiet ms", "p99 rehearsed", "p99 in reloads", "conns cut", "sockets cut", "streams cut",
)  # fmt: skip


def _row(name: str, seen: Seen) -> list[Cell]:
    every = [*seen.quiet, *seen.saving]
    return [
        *(name, str(len(seen.to_new) + seen.never), _at(seen.to_new, 50), _at(seen.to_new, 99)),
        *(str(seen.never), str(len(every) + seen.failed), str(seen.failed)),
        str(sum(each > STALLED for each in every)),
        *(_at(seen.quiet, 99), _at(seen.rehearsed, 99), _at(seen.during, 99)),
        *(str(seen.cut[kind]) for kind in ("http", "socket", "stream")),
    ]


def _at(values: list[float], percent: int) -> float | None:
    if len(values) < 2:
        return values[0] * 1e3 if values else None
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1] * 1e3


def _keep(samples: Samples, name: str, seen: Seen) -> None:
    samples.add(name, "median to new code, ms", _at(seen.to_new, 50) or 0.0)
    samples.add(name, "p99 to new code, ms", _at(seen.to_new, 99) or 0.0)
    samples.add(name, "failed, cut or never new", seen.failed + sum(seen.cut.values()) + seen.never)
    during = _at(seen.during, 99) or 0.0
    samples.add(name, "p99 in reloads by p99 rehearsed", during / (_at(seen.rehearsed, 99) or 1.0))
    samples.add(name, "p99 in reloads by p99 quiet", during / (_at(seen.quiet, 99) or 1.0))


LIMITS = {
    "median to new code, ms": 10.0,
    "p99 to new code, ms": 25.0,
    "failed, cut or never new": 0.0,
    "p99 in reloads by p99 rehearsed": 2.0,
    "p99 in reloads by p99 quiet": 2.0,
}


def _targets(samples: Samples) -> list[Target]:
    return [
        Target(text=f"{name}: {case}", limit=limit, value=samples.median(name, case))
        for name in samples.values
        if name.startswith(OURS)
        for case, limit in LIMITS.items()
    ]


def _measure(program: Program, case: Case, plan: Plan) -> Seen:
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory() as elsewhere:
        folder = Path(name)
        source = folder / program.source
        source.parent.mkdir(exist_ok=True)
        (folder / "slow.py").write_text(f"import time\ntime.sleep({SLOW_SECONDS})\n")
        source.write_text(plan.text.replace("{version}", "0"))
        decoy = str(Path(elsewhere) / source.name)
        plan = replace(plan, port=_free_port(), source=str(source), decoy=decoy)
        with _serving(program.command(plan.port, folder), folder):
            words = ("-m", "benchmarks.load.saves", json.dumps(asdict(plan)))
            with Child.python(*words, core=cores()[1]) as load:
                return Seen(**json.loads(load.rest(LONGEST)))


@contextmanager
def _serving(command: list[str], folder: Path) -> Iterator[None]:
    """Run a program, which may have processes of its own, and end it with all of them."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port

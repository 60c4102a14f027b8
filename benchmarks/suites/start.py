"""Import time, time from spawn to the first answer, and memory after it: fresh processes."""

import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from benchmarks.child import Child, cores
from benchmarks.load.request import REQUESTS
from benchmarks.options import Options
from benchmarks.report import Report
from benchmarks.sample import Samples
from benchmarks.table import Cell, table
from benchmarks.target import Target

IMPORTS = {
    "msgspec + anyio + pluggy": "import msgspec, anyio, pluggy",
    "pegboard": "import pegboard",
    "starlette": "from starlette.applications import Starlette",
    "blacksheep": "from blacksheep import Application",
    "litestar": "from litestar import Litestar",
    "fastapi": "from fastapi import FastAPI",
}
"""What a program of each kind imports first; the first line is what pegboard depends on."""

TIMER = """
import time
wall, cpu = time.perf_counter(), time.process_time()
{statement}
print((time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3)
"""

TURNS = 3
"""Fresh processes of each kind in each round."""

START_SECONDS = 30.0
"""How long a server may take to its first answer."""

MOD = '''"""The mod of the start-up measurement."""

from pegboard import get_app

export = get_app("Bench").tb


@export(mod_name="Bench", api=True)
async def get(n: int, name: str) -> dict[str, object]:
    """Return the two typed query parameters."""
    return {"n": n, "name": name}
'''


@dataclass(frozen=True, kw_only=True)
class Program:
    """A command that serves the GET on a port."""

    package: str
    command: Callable[[int, Path], list[str]]


def _pegboard(port: int, folder: Path) -> list[str]:
    project = ("--project", str(folder), "--host", "127.0.0.1", "--port", str(port))
    return [str(Path(sys.executable).with_name("pegboard")), "serve", *project]


def _uvicorn(target: str) -> Callable[[int, Path], list[str]]:
    def command(port: int, folder: Path) -> list[str]:
        options = ("--factory", "--port", str(port), "--log-level", "warning", "--no-access-log")
        return [sys.executable, "-m", "uvicorn", f"benchmarks.contenders.{target}", *options]

    return command


PROGRAMS = {
    "pegboard serve": Program(package="pegboard", command=_pegboard),
    "uvicorn, bare": Program(package="uvicorn", command=_uvicorn("bare:make_app")),
    "uvicorn, fastapi": Program(package="fastapi", command=_uvicorn("fastapi:make_app")),
}


def run(options: Options) -> Report:
    """Start each kind of process in turn, once before anything counts."""
    imports = [name for name in IMPORTS if _wanted(name, name, options)]
    programs = [name for name in PROGRAMS if _wanted(name, PROGRAMS[name].package, options)]
    samples = Samples()
    with tempfile.TemporaryDirectory() as cache:
        env = _with_bytecode(cache)
        _turn(imports, programs, env, Samples())
        for _ in range(options.rounds * (1 if options.smoke else TURNS)):
            _turn(imports, programs, env, samples)
    return Report(
        suite="start",
        tables=[_imports_table(imports, samples), _starts_table(programs, samples)],
        samples=samples,
        targets=[
            Target(
                text="import pegboard, ms",
                limit=60,
                value=samples.median("pegboard", "ms"),
            ),
            Target(
                text="pegboard serve to the first answer, ms",
                limit=500,
                value=samples.median("pegboard serve", "first answer ms"),
            ),
        ],
    )


def _with_bytecode(cache: str) -> dict[str, str]:
    """Return an environment in which all modules are compiled once, as they are once installed.

    Otherwise this would measure the compiler for every package whose installer left that to the
    first import, wherever the environment forbids to write bytecode.
    """
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**env, "PYTHONPYCACHEPREFIX": cache}


def _turn(
    imports: list[str], programs: list[str], env: Mapping[str, str], samples: Samples
) -> None:
    for name in imports:
        _import(name, env, samples)
    for name in programs:
        _start(name, env, samples)


def _wanted(name: str, package: str, options: Options) -> bool:
    if options.only and package not in options.only:
        return False
    if package.isidentifier() and find_spec(package) is None:
        options.left_out[name] = f"not installed: {package}"
        return False
    return True


def _import(name: str, env: Mapping[str, str], samples: Samples) -> None:
    code = TIMER.format(statement=IMPORTS[name])
    with Child([sys.executable, "-c", code], core=cores()[0], env=env) as child:
        wall, cpu = child.rest(START_SECONDS).split()
    samples.add(name, "ms", float(wall))
    samples.add(name, "cpu ms", float(cpu))


def _start(name: str, env: Mapping[str, str], samples: Samples) -> None:
    """Spawn, wait for the first right answer, and read the memory.

    Raises:
        RuntimeError: when there is none within ``START_SECONDS``.
    """
    with _project() as path:
        folder = Path(path)
        port = _free_port()
        began = time.perf_counter()
        command = PROGRAMS[name].command(port, folder)
        with Child(command, core=cores()[0], env=env) as child:
            while not _answers(port):
                if child.process.poll() is not None or time.perf_counter() > began + START_SECONDS:
                    raise RuntimeError(f"{name} did not answer\n{child.errors()}")
                time.sleep(0.001)
            samples.add(name, "first answer ms", (time.perf_counter() - began) * 1000)
            samples.add(name, "cpu ms", child.cpu() * 1000)
            samples.add(name, "rss", child.memory()["rss"])


def _project() -> AbstractContextManager[str]:
    folder = tempfile.TemporaryDirectory()
    mods = Path(folder.name, "mods")
    mods.mkdir()
    (mods / "bench.py").write_text(MOD)
    return folder


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def _answers(port: int) -> bool:
    try:
        REQUESTS["GET"].check(port)
    except OSError:
        return False
    return True


def _imports_table(names: list[str], samples: Samples) -> str:
    rows: list[list[Cell]] = [
        [
            name,
            samples.median(name, "ms"),
            samples.median(name, "cpu ms"),
            samples.ratio(name, "fastapi", "ms"),
        ]
        for name in names
    ]
    return table("Import in a fresh process", ["package", "ms", "CPU ms", "/ fastapi"], rows)


def _starts_table(names: list[str], samples: Samples) -> str:
    rows: list[list[Cell]] = [
        [
            name,
            samples.median(name, "first answer ms"),
            samples.median(name, "cpu ms"),
            samples.ratio(name, "uvicorn, fastapi", "first answer ms"),
            samples.median(name, "rss"),
        ]
        for name in names
    ]
    head = ["program", "ms", "CPU ms", "/ fastapi", "MB"]
    return table("From spawn to the first answer", head, rows)

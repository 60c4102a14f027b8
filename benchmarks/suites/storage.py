"""Documents of 1 KB on disk: what a save and a load cost beside the system calls by hand.

By hand is what nobody can do without: a temporary file, `fsync` and a rename for a save, one `read`
for a load, JSON by msgspec. Pegboard does more: it locks, looks at the version, keeps the content
before, syncs the folder, checks sums, encrypts. By hand, too, a power cut undoes a save unless the
folder is synced: that is the fair peer, and both are compared.

A thousand documents are loaded as a program finds them that has just begun: each once, by a handler
of its own.
"""

import json
import os
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from benchmarks.options import Options
from benchmarks.report import Report
from benchmarks.sample import Samples
from benchmarks.table import Cell, table
from benchmarks.target import Target
from pegboard import App
from pegboard_storage import FileHandler

COUNT = 100
"""Documents per batch."""

MANY = 1000
"""Documents that are loaded once each."""

DOCUMENT = {f"key {number}": "x" * 30 for number in range(20)}
Work = Callable[[int], None]


def run(options: Options) -> Report:
    """Measure each way in turn, in one process and one folder."""
    samples = Samples()
    count = 5 if options.smoke else COUNT
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCHMARK_FOLDER")) as name:
        folder = Path(name)
        durable, quick = (_app(folder / kind, kind) for kind in ("durable", "quick"))
        try:
            ways = {**_by_hand(folder), **_pegboard(durable, quick)}
            many = {**_many_by_hand(folder), **_many_by_pegboard(quick)}
            for _ in range(options.rounds):
                for way, cases in ways.items():
                    for case, work in cases.items():
                        samples.add(way, case, _microseconds(work, count))
                for way, work in many.items():
                    documents = count if options.smoke else MANY
                    samples.add(way, "thousand", _microseconds(work, documents) * MANY / 1000)
        finally:
            durable.close()
            quick.close()
    rows: list[list[Cell]] = [
        [way, samples.median(way, "save"), samples.median(way, "load")] for way in ways
    ]
    return Report(
        suite="storage",
        tables=[
            table("1 KB documents on disk, in us", ["way", "save", "load"], rows),
            table(
                "1,000 documents of 1 KB, each loaded once",
                ["way", "ms"],
                [[way, samples.median(way, "thousand")] for way in many],
            ),
        ],
        samples=samples,
        targets=[
            Target(
                text=f"durable and encrypted save / write, fsync, rename {other}",
                limit=1.6,
                value=samples.ratio("pegboard encrypted", other, "save"),
            )
            for other in ("by hand", "by hand, folder synced")
        ],
    )


def _microseconds(work: Work, count: int) -> float:
    os.sync()  # so that nobody's sync writes what others have left in memory
    began = time.perf_counter()
    for number in range(count):
        work(number)
    return (time.perf_counter() - began) * 1e6 / count


def _app(project: Path, kind: str) -> App:
    project.mkdir()
    config = {"plugins": {"storage_local": {"durable": kind == "durable"}}}
    app = App(kind, project=project, plugins=["storage", "storage_local"], mods=[], config=config)
    app.start()
    return app


def _by_hand(folder: Path) -> dict[str, dict[str, Work]]:
    """Return the system calls, and the standard library as most programs use it."""
    home = folder / "hand"
    home.mkdir()
    folder_fd = os.open(home, os.O_RDONLY)

    def save(number: int, *, durable: bool = True, folder_too: bool = False) -> None:
        data = msgspec.json.encode({**DOCUMENT, "n": number})
        fd = os.open(home / f"{number}.tmp", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.write(fd, data)
        if durable:
            os.fsync(fd)
        os.close(fd)
        (home / f"{number}.tmp").rename(home / f"{number}.json")
        if folder_too:
            os.fsync(folder_fd)

    def load(number: int) -> None:
        fd = os.open(home / f"{number}.json", os.O_RDONLY)
        msgspec.json.decode(os.read(fd, 1 << 20))
        os.close(fd)

    def dump(number: int) -> None:
        with (home / f"{number}.json").open("w", encoding="utf-8") as file:
            json.dump({**DOCUMENT, "n": number}, file)

    def read(number: int) -> None:
        with (home / f"{number}.json").open(encoding="utf-8") as file:
            json.load(file)

    return {
        "by hand": {"save": save, "load": load},
        "by hand, folder synced": {"save": lambda n: save(n, folder_too=True), "load": load},
        "by hand, not durable": {"save": lambda n: save(n, durable=False), "load": load},
        "json.dump, neither durable nor atomic": {"save": dump, "load": read},
    }


def _pegboard(durable: App, quick: App) -> dict[str, dict[str, Work]]:
    """Return files of scopes, saved and loaded by handlers."""

    def ways(app: App, suffix: str) -> dict[str, Work]:
        handlers: dict[int, FileHandler] = {}

        def handler(number: int) -> FileHandler:
            if number not in handlers:
                handlers[number] = FileHandler(f"{number}.{suffix}", name="Bench", app=app)
                handlers[number].update(DOCUMENT)
            return handlers[number]

        def save(number: int) -> None:
            handler(number).set("n", number)
            handler(number).save()

        def load(number: int) -> None:
            handler(number).load()

        return {"save": save, "load": load}

    return {
        "pegboard": ways(durable, "data"),
        "pegboard encrypted": ways(durable, "config"),
        "pegboard, not durable": ways(quick, "data"),
    }


def _many_by_hand(folder: Path) -> dict[str, Work]:
    home = folder / "many"
    home.mkdir()
    for number in range(MANY):
        (home / f"{number}.json").write_bytes(msgspec.json.encode({**DOCUMENT, "n": number}))

    def load(number: int) -> None:
        assert msgspec.json.decode((home / f"{number}.json").read_bytes())["n"] == number

    return {"by hand": load}


def _many_by_pegboard(app: App) -> dict[str, Work]:
    def load(number: int, *, suffix: str) -> None:
        assert FileHandler(f"{number}.{suffix}", name="Many", app=app)["n"] == number

    for suffix in ("data", "config"):
        for number in range(MANY):
            fh = FileHandler(f"{number}.{suffix}", name="Many", app=app)
            fh.update({**DOCUMENT, "n": number})
            fh.save()
    return {
        "pegboard": partial(load, suffix="data"),
        "pegboard encrypted": partial(load, suffix="config"),
    }

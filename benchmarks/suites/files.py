"""Durable writes, versions and backups: beside what one does by hand, and beside restic."""

import os
import random
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.options import Options
from benchmarks.report import Report
from benchmarks.sample import Samples
from benchmarks.table import Cell, table
from benchmarks.target import Target

MIB = 1024 * 1024
OURS, HAND, COPY, RESTIC = "pegboard", "by hand", "copy", "restic"
FIRST, LAST = "first", "last"
DOCUMENT = 900
"""Bytes of a file that is written durably."""


def run(options: Options) -> Report:
    """Measure all with files in a temporary folder; sizes are small with ``--smoke``."""
    samples = Samples()
    rounds = 1 if options.smoke else options.rounds
    sizes = {"version": 4 * MIB, "many": 50, "large": 4 * MIB, "history": 40}
    if not options.smoke:
        sizes = {"version": 100 * MIB, "many": 10_000, "large": 1024 * MIB, "history": 10_000}
    with tempfile.TemporaryDirectory(prefix="pegboard files ") as name:
        folder = Path(name)
        for _ in range(rounds):
            _writes(folder / "writes", samples, 20 if options.smoke else 200)
        _versions(folder / "versions", samples, sizes["version"], options)
        _history(folder / "history", samples, sizes["history"])
        _backups(folder / "many", samples, "many", lambda at: _many(at, sizes["many"]), options)
        _backups(folder / "large", samples, "large", lambda at: _large(at, sizes["large"]), options)
    return Report(
        suite="files", tables=_tables(samples, sizes), samples=samples, targets=_targets(samples)
    )


def _writes(folder: Path, samples: Samples, count: int) -> None:
    """Take turns write by write, so that a disk that is busy with something else is so for both."""
    from pegboard_durable import Root

    root = Root(folder)
    data = bytes(DOCUMENT)
    spent = {OURS: 0.0, HAND: 0.0}
    acts = {OURS: lambda: root.replace("ours", data), HAND: lambda: _by_hand(folder, data)}
    for _ in range(count):
        for name, act in acts.items():
            spent[name] += _timed(act)
    for name, seconds in spent.items():
        samples.add(name, "write us", seconds / count * 1e6)


def _by_hand(folder: Path, data: bytes) -> None:
    temporary = folder / f"{secrets.token_hex(8)}.tmp"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        os.write(fd, data)
        os.fsync(fd)
    finally:
        os.close(fd)
    temporary.replace(folder / "hand")
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _versions(folder: Path, samples: Samples, size: int, options: Options) -> None:
    """Keep a file of which 1 % has changed, in 100 places."""
    from pegboard_files import FileVersionManager

    folder.mkdir()
    source = folder / "base" / "file"
    versions = FileVersionManager(source.parent)
    _large(source, size)
    has_restic = _has_restic(options)
    versions.create_version("file")
    if has_restic:
        _restic(folder, "init")
        _restic(folder, "backup", source)
    for seed in range(1 if options.smoke else 3):
        _change(source, size, seed)
        acts: dict[str, tuple[Callable[[], object], Path]] = {
            OURS: (lambda: versions.create_version("file"), source.parent / ".versions"),
            COPY: (
                lambda seed=seed: _copy(source, folder / "copies" / str(seed)),
                folder / "copies",
            ),
        }
        if has_restic:
            acts[RESTIC] = (lambda: _restic(folder, "backup", source), folder / "restic")
        for name, (act, place) in acts.items():
            before = _size(place)
            samples.add(name, "version s", _timed(act))
            samples.add(name, "version MiB", (_size(place) - before) / MIB)


def _history(folder: Path, samples: Samples, count: int) -> None:
    """Keep many versions of a small file, and compare the first hundredth with the last."""
    from pegboard_files import FileVersionManager

    folder.mkdir()
    versions = FileVersionManager(folder)
    text = bytearray(random.Random(1).randbytes(10_000))
    share = max(count // 100, 10)
    for number in range(count):
        text[number % 10_000] = number % 256
        (folder / "file").write_bytes(text)
        seconds = _timed(lambda: versions.create_version("file"))
        if number < share or number >= count - share:
            samples.add(FIRST if number < share else LAST, "version us", seconds * 1e6)


def _backups(
    folder: Path, samples: Samples, case: str, fill: Callable[[Path], None], options: Options
) -> None:
    from pegboard_files import BackupManager

    source = folder / "source"
    fill(source / "files")
    time.sleep(2)  # what is younger than that at a backup is read again by the next one
    backups = BackupManager(folder / "ours", base_path=source)
    back = folder / "back"
    samples.add(OURS, f"{case} backup s", _timed(lambda: backups.create_backup(["files"], "one")))
    samples.add(OURS, f"{case} again s", _timed(lambda: backups.create_backup(["files"], "two")))
    samples.add(OURS, f"{case} MiB", _size(folder / "ours") / MIB)
    samples.add(
        OURS, f"{case} restore s", _timed(lambda: backups.restore_backup("two", back / "ours"))
    )
    if _has_restic(options):
        files = source / "files"
        _restic(folder, "init")
        samples.add(RESTIC, f"{case} backup s", _timed(lambda: _restic(folder, "backup", files)))
        samples.add(RESTIC, f"{case} again s", _timed(lambda: _restic(folder, "backup", files)))
        samples.add(RESTIC, f"{case} MiB", _size(folder / "restic") / MIB)
        act = "restore", "latest", "--target", back / "restic"
        samples.add(RESTIC, f"{case} restore s", _timed(lambda: _restic(folder, *act)))
    shutil.rmtree(folder)


def _many(folder: Path, count: int) -> None:
    """Make small files of 1 to 16 KiB in folders of a hundred."""
    generator = random.Random(2)
    for number in range(count):
        path = folder / str(number // 100) / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(generator.randbytes(generator.randrange(512, 8192)).hex().encode())


def _large(path: Path, size: int) -> None:
    """Make a file that compresses to about half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    generator = random.Random(3)
    with path.open("wb") as file:
        for _ in range(size // MIB):
            file.write(generator.randbytes(MIB // 2).hex().encode())


def _change(path: Path, size: int, seed: int) -> None:
    generator = random.Random(seed)
    with path.open("r+b") as file:
        for _ in range(100):
            file.seek(generator.randrange(size - size // 10_000))
            file.write(generator.randbytes(size // 20_000).hex().encode())


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    shutil.copyfile(source, target)
    fd = os.open(target, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _has_restic(options: Options) -> bool:
    if shutil.which("restic") is None:
        options.left_out[RESTIC] = "not installed"
        return False
    return True


def _restic(folder: Path, *arguments: str | Path) -> None:
    command = ["restic", "--quiet", "--no-cache", "--repo", folder / "restic", *arguments]
    variables = {**os.environ, "RESTIC_PASSWORD": "benchmark"}
    subprocess.run(command, check=True, env=variables, stdout=subprocess.DEVNULL)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _timed(act: Callable[[], object]) -> float:
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


def _tables(samples: Samples, sizes: dict[str, int]) -> list[str]:
    writes: list[list[Cell]] = [
        [name, samples.median(name, "write us"), samples.ratio(name, HAND, "write us")]
        for name in (HAND, OURS)
    ]
    versions: list[list[Cell]] = [
        [name, samples.median(name, "version s"), samples.median(name, "version MiB")]
        for name in (OURS, COPY, RESTIC)
    ]
    history: list[list[Cell]] = [
        [name, samples.median(name, "version us")] for name in (FIRST, LAST)
    ]
    steps = ("backup s", "again s", "restore s", "MiB")
    backups: list[list[Cell]] = [
        [f"{case}, {name}", *(samples.median(name, f"{case} {step}") for step in steps)]
        for case in ("many", "large")
        for name in (OURS, RESTIC)
    ]
    large = sizes["large"] // MIB
    return [
        table(f"Durable write of {DOCUMENT} bytes", ["who", "us", "/ by hand"], writes),
        table(
            f"Version of {sizes['version'] // MIB} MiB, 1 % changed in 100 places",
            ["who", "s", "MiB"],
            versions,
        ),
        table(f"Versions of 10 KB, of {sizes['history']}", ["which", "us"], history),
        table(
            f"Backup of {sizes['many']} small files (many) and of one of {large} MiB (large)",
            ["what, who", *steps],
            backups,
        ),
    ]


def _targets(samples: Samples) -> list[Target]:
    first, last = samples.median(FIRST, "version us"), samples.median(LAST, "version us")
    return [
        Target(
            text="durable write: pegboard / by hand",
            limit=1.3,
            value=samples.ratio(OURS, HAND, "write us"),
        ),
        Target(
            text="version with 1 % changed, bytes: pegboard / copy",
            limit=0.03,
            value=samples.ratio(OURS, COPY, "version MiB"),
        ),
        Target(
            text="last version / first version, time",
            limit=1.3,
            value=last / first if first and last else None,
        ),
    ]

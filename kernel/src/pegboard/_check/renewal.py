"""Whether nothing is left of a plugin whose code was loaded, used, taken away and loaded again.

Run as a program it does so and prints what was left: it has a process of its own, since that is
where one can count.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tempfile
import threading
import typing
from importlib import import_module
from pathlib import Path
from weakref import ref

import anyio
import msgspec

from pegboard._app import App
from pegboard._check.finding import Finding
from pegboard._check.subject import Subject
from pegboard._discovery import find_plugins

__all__ = ["Remains", "check_renewal"]

ROUNDS = 8
WARM_UP = 2  # rounds that fill caches of Python and of the libraries
TIMEOUT = 300.0


class Remains(msgspec.Struct, frozen=True, kw_only=True):
    """What was left after the last round.

    Attributes:
        generations: Old versions of the plugin that are still in memory.
        holders: What holds the oldest one, for people.
        threads: Threads that are more than before.
        files: Open file descriptors that are more than before.
    """

    generations: int
    holders: tuple[str, ...]
    threads: int
    files: int

    def problems(self) -> list[str]:
        """Return what should not be there."""
        found = []
        if self.generations:
            holders = ", ".join(self.holders) or "nothing that can be named"
            found.append(f"{self.generations} old versions stay in memory, held by {holders}")
        if self.threads > 0:
            found.append(f"{self.threads} threads go on after the app has stopped")
        if self.files > 0:
            found.append(f"{self.files} files or sockets stay open after the app has stopped")
        return found


def check_renewal(subject: Subject) -> Finding:
    """Load the plugin again and again in a process of its own, and see that the old ones vanish."""
    manifest = subject.candidate.manifest
    if manifest is not None and manifest.reload == "restart":
        detail = 'its plugin.toml says reload = "restart"'
        return Finding(name="reloads", state="skipped", detail=detail)
    command = [sys.executable, "-m", __name__, subject.name, *subject.others]
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter
            command, capture_output=True, stdin=subprocess.DEVNULL, check=False, timeout=TIMEOUT
        )
    except subprocess.TimeoutExpired:
        problems = [f"{ROUNDS} rounds took longer than {TIMEOUT:g} s"]
    else:
        if done.returncode:
            lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no output"]
            problems = [lines[-1]]
        else:
            problems = msgspec.json.decode(done.stdout, type=Remains).problems()
    return Finding.of("reloads", problems, f"{ROUNDS} times, and nothing is left")


def main(name: str, others: list[str]) -> None:
    """Do the rounds and print the remains as JSON."""
    target = next(each.target for each in find_plugins() if each.name == name)
    module, _, attribute = target.partition(":")
    package = module.partition(".")[0]
    generations = []
    threads = files = 0
    for number in range(WARM_UP + ROUNDS):
        for each in [each for each in sys.modules if each.partition(".")[0] == package]:
            del sys.modules[each]
        plugin = getattr(import_module(module), attribute)
        generations += [ref(plugin), ref(type(plugin))]
        del plugin
        with tempfile.TemporaryDirectory(prefix="pegboard check ") as folder:
            anyio.run(_use, name, others, Path(folder))
        _collect()
        if number == WARM_UP - 1:
            threads, files = threading.active_count(), _open_files()
    alive = [each() for each in generations[:-2] if each() is not None]
    remains = Remains(
        generations=len({id(each) for each in alive}),
        holders=_holders(alive),
        threads=threading.active_count() - threads,
        files=_open_files() - files,
    )
    sys.stdout.buffer.write(msgspec.json.encode(remains))


async def _use(name: str, others: list[str], project: Path) -> None:
    plugins = [*others, name]
    async with App("check", project=project, plugins=plugins, mods=[], testing=True) as app:
        app.export("ping", mod_name="Check", api=True)(_ping)
        await app.call("Check.ping")


async def _ping() -> str:
    return "pong"


def _collect() -> None:
    """Collect garbage; caches of `typing` hold the classes of annotations, also of old ones."""
    for cleanup in getattr(typing, "_cleanups", ()):
        cleanup()
    gc.collect()


def _open_files() -> int:
    try:
        return len(os.listdir("/dev/fd"))  # noqa: PTH208 - names are all that is wanted
    except OSError:
        return 0


def _holders(alive: list[object]) -> tuple[str, ...]:
    """Name what holds the oldest of these, other than its own module."""
    if not alive:
        return ()
    found = [each for each in gc.get_referrers(alive[0]) if each is not alive]
    return tuple(sorted({f"{type(each).__module__}.{type(each).__qualname__}" for each in found}))[
        :5
    ]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])

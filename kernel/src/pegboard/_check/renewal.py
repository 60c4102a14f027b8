"""Whether nothing is left of a plugin whose code was replaced again and again while it served.

Run as a program it does so and prints what was left: it has a process of its own, since that is
where one can count.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import anyio
import msgspec

from pegboard._app import App
from pegboard._check.finding import Finding
from pegboard._check.subject import Subject

__all__ = ["Remains", "check_renewal"]

ROUNDS = 8
WARM_UP = 2  # rounds that fill caches of Python and of the libraries
TIMEOUT = 300.0


class Remains(msgspec.Struct, frozen=True, kw_only=True):
    """What was left after the last round, or why there was none.

    Attributes:
        rejected: Why new code of the plugin cannot take the place of the old.
        generations: Old versions of the plugin that are still in memory.
        holders: What holds the oldest one, for people.
        threads: Threads that are more than before.
        files: Open file descriptors that are more than before.
    """

    rejected: str = ""
    generations: int = 0
    holders: tuple[str, ...] = ()
    threads: int = 0
    files: int = 0

    def problems(self) -> list[str]:
        """Return what should not be there."""
        if self.rejected:
            return [f"it cannot be replaced while it serves: {self.rejected}"]
        found = []
        if self.generations:
            holders = ", ".join(self.holders) or "nothing that can be named"
            found.append(f"{self.generations} old versions stay in memory, held by {holders}")
        if self.threads > 0:
            found.append(f"{self.threads} threads more run than before")
        if self.files > 0:
            found.append(f"{self.files} files or sockets more are open than before")
        return found


def check_renewal(subject: Subject) -> Finding:
    """Replace the plugin again and again in a process of its own, and see that the old ones go."""
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
    with tempfile.TemporaryDirectory(prefix="pegboard check ") as folder:
        remains = anyio.run(_remains, name, others, Path(folder))
    sys.stdout.buffer.write(msgspec.json.encode(remains))


async def _remains(name: str, others: list[str], project: Path) -> Remains:
    """Replace the plugin in an app that runs, as a save of its code would, and look for the old."""
    plugins = [*others, name]
    threads = files = 0
    async with App("check", project=project, plugins=plugins, mods=[], testing=True) as app:
        app.export("ping", mod_name="Check", api=True)(_ping)
        for number in range(WARM_UP + ROUNDS):
            await app.call("Check.ping")
            for each in await app.reloader.reload(name):
                if each.outcome == "rejected":
                    return Remains(rejected=each.reason)
            await app.reloader.settle()
            if number == WARM_UP - 1:
                threads, files = threading.active_count(), _open_files()
        left = [each for each in await app.reloader.settle() if each.owner == name]
        return Remains(
            generations=len(left),
            holders=tuple(left[0].held_by[:5]) if left else (),
            threads=threading.active_count() - threads,
            files=_open_files() - files,
        )


async def _ping() -> str:
    return "pong"


def _open_files() -> int:
    try:
        return len(os.listdir("/dev/fd"))  # noqa: PTH208 - names are all that is wanted
    except OSError:
        return 0


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])

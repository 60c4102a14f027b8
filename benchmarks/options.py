"""The command line of the benchmarks."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.contender import Contender

SUITES = (
    "asgi",
    "server",
    "ws",
    "call",
    "cache",
    "lock",
    "jobs",
    "session",
    "files",
    "storage",
    "cloud",
    "start",
    "reload",
)
SERVERS = ("uvicorn", "hypercorn", "hypercorn-uvloop")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What to run.

    Attributes:
        suites: the questions to answer, in order.
        rounds: how often each contender has its turn.
        only: names of contenders to keep; all when empty.
        servers: the servers for ``server`` and ``ws``.
        seconds: length of one load run.
        smoke: prove only that everything runs and answers correctly.
        json: where to write every value measured, besides the tables.
    """

    suites: tuple[str, ...]
    rounds: int = 7
    only: frozenset[str] = frozenset()
    servers: tuple[str, ...] = ("uvicorn", "hypercorn")
    seconds: float = 3.0
    smoke: bool = False
    json: Path | None = None
    left_out: dict[str, str] = field(default_factory=dict)

    def choose(self, contenders: Sequence[Contender]) -> list[Contender]:
        """Return the contenders asked for and installed; the others are noted in ``left_out``."""
        chosen = []
        for contender in contenders:
            if self.only and contender.name not in self.only:
                continue
            if missing := contender.missing():
                self.left_out[contender.name] = "not installed: " + ", ".join(missing)
            else:
                chosen.append(contender)
        return chosen


def parse(arguments: Sequence[str] | None = None) -> Options:
    """Read the command line; ends the process with a message on a wrong one."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("suite", nargs="*", help=f"{', '.join(SUITES)} or all (the default)")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each contender (7)")
    parser.add_argument("--only", type=_names, default=(), help="contenders, comma-separated")
    parser.add_argument(
        "--servers", type=_names, default=("uvicorn", "hypercorn"), help=f"of {', '.join(SERVERS)}"
    )
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one load run (3)")
    parser.add_argument("--smoke", action="store_true", help="only prove that everything runs")
    parser.add_argument("--json", type=Path, help="also write every value to this file")
    given = parser.parse_args(arguments)
    suites = tuple(given.suite)
    if not suites or "all" in suites:
        suites = SUITES
    _refuse_unknown(parser, "suite", suites, SUITES)
    _refuse_unknown(parser, "server", given.servers, SERVERS)
    if given.rounds < 1 or given.seconds <= 0:
        parser.error("--rounds and --seconds must be positive")
    return Options(
        suites=suites,
        rounds=1 if given.smoke else given.rounds,
        only=frozenset(given.only),
        servers=given.servers,
        seconds=0.5 if given.smoke else given.seconds,
        smoke=given.smoke,
        json=given.json,
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _refuse_unknown(
    parser: argparse.ArgumentParser, noun: str, given: Sequence[str], known: Sequence[str]
) -> None:
    for name in given:
        if name not in known:
            parser.error(f"no {noun} {name!r}; there are {', '.join(known)}")

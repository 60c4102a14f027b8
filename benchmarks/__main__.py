"""Run the suites asked for and print their tables."""

import signal
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

from benchmarks.contender import installed
from benchmarks.machine import machine
from benchmarks.options import Options, parse
from benchmarks.report import Report, write_json


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the benchmarks as told by the command line."""
    options = parse(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that what was started is ended
    _raise_descriptor_limit()
    where = machine()
    versions = installed()
    print(where)
    print(", ".join(f"{name} {number}" for name, number in versions.items()), end="\n\n")
    reports = []
    for name in options.suites:
        run: Callable[[Options], Report] = import_module(f"benchmarks.suites.{name}").run
        reports.append(run(options))
        print(reports[-1], flush=True)
    for name, reason in options.left_out.items():
        print(f"left out: {name} ({reason})")
    if options.json is not None:
        write_json(options.json, machine=where, versions=versions, reports=reports)


def _raise_descriptor_limit() -> None:
    """Allow as many open sockets as the system lets us: the child processes inherit it."""
    try:
        import resource
    except ImportError:  # not on this system: its own limit has to do
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    main()

"""Requests per second, processor time and memory on real servers, pinned to one core."""

from benchmarks.contender import HTTP, Contender
from benchmarks.load import http
from benchmarks.load.request import REQUESTS
from benchmarks.options import Options
from benchmarks.report import Report
from benchmarks.sample import Samples
from benchmarks.served import Served, serve
from benchmarks.table import Cell, table
from benchmarks.target import Target

WARM_UP_SECONDS = 1.0
"""Load before the first turn, so that the interpreter has specialised its byte code."""


def run(options: Options) -> Report:
    """Serve every contender at once, on one core, and give each its turn of load."""
    contenders = options.choose(HTTP)
    samples = Samples()
    for server in options.servers:
        with serve(contenders, server) as running:
            for served in running:
                _prepare(served, options, samples)
            for _ in range(options.rounds):
                for method in REQUESTS:
                    for served in running:
                        _turn(served, method, options, samples)
            for served in running:
                samples.add(served.name, "peak", served.child.memory()["peak"])
    return Report(
        suite="server",
        tables=[_table(server, contenders, options, samples) for server in options.servers],
        samples=samples,
        targets=[target for server in options.servers for target in _targets(server, samples)],
    )


def _prepare(served: Served, options: Options, samples: Samples) -> None:
    """Check the answers, read the memory and warm up."""
    for request in REQUESTS.values():
        request.check(served.port)
    samples.add(served.name, "rss", served.child.memory()["rss"])
    if not options.smoke:
        http.send(REQUESTS["POST"], served.port, seconds=WARM_UP_SECONDS)


def _turn(served: Served, method: str, options: Options, samples: Samples) -> None:
    """Send one run of load and record it.

    Raises:
        RuntimeError: when an answer was missing or not a success.
    """
    name, child = served.name, served.child
    before = child.cpu()
    load = http.send(REQUESTS[method], served.port, seconds=options.seconds)
    if load.errors or not load.requests:
        raise RuntimeError(f"{name} {method}: {load}\n{child.errors()}")
    samples.add(name, method, load.per_second)
    samples.add(name, f"{method} cpu us", (child.cpu() - before) * 1e6 / load.requests)
    samples.add(name, f"{method} p99 ms", load.p99_ms)


def _table(server: str, contenders: list[Contender], options: Options, samples: Samples) -> str:
    rows = []
    for contender in contenders:
        name = f"{contender.name}@{server}"
        row: list[Cell] = [name]
        for method in REQUESTS:
            row += [
                samples.median(name, method),
                samples.ratio(name, f"bare@{server}", method),
                samples.ratio(name, f"fastapi@{server}", method),
                samples.median(name, f"{method} cpu us"),
                samples.median(name, f"{method} p99 ms"),
            ]
        rows.append([*row, samples.median(name, "rss"), samples.median(name, "peak")])
    columns = ["/ bare", "/ fastapi", "CPU us", "p99 ms"]
    head = ["application", "GET/s", *columns, "POST/s", *columns, "MB at start", "MB peak"]
    title = (
        f"{server}: {http.CONNECTIONS} keep-alive connections, {http.generator(options.seconds)}"
    )
    return table(title, head, rows)


def _targets(server: str, samples: Samples) -> list[Target]:
    limits = {"bare": 0.95}
    if server == "uvicorn":
        limits["fastapi"] = 3.5
    return [
        Target(
            text=f"{server} {method}/s: pegboard / {other}",
            limit=limit,
            value=samples.ratio(f"pegboard@{server}", f"{other}@{server}", method),
            at_most=False,
        )
        for method in REQUESTS
        for other, limit in limits.items()
    ]

"""Requests per second, processor time and memory on real servers, pinned to one core."""

from collections.abc import Iterator

from benchmarks.contender import SERVED, Contender
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
    contenders = options.choose(SERVED)
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
        tables=[
            *(
                _table(server, method, contenders, options, samples)
                for server in options.servers
                for method in REQUESTS
            ),
            _memory_table(contenders, options, samples),
        ],
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
    cpu = child.cpu()
    load = http.send(REQUESTS[method], served.port, seconds=options.seconds)
    cpu = child.cpu() - cpu
    if load.errors or not load.requests:
        raise RuntimeError(f"{name} {method}: {load}\n{child.errors()}")
    samples.add(name, method, load.per_second)
    samples.add(name, f"{method} cpu us", cpu * 1e6 / load.requests)
    samples.add(name, f"{method} busy", cpu * load.per_second / load.requests * 100)
    samples.add(name, f"{method} p99 ms", load.p99_ms)


def _table(
    server: str, method: str, contenders: list[Contender], options: Options, samples: Samples
) -> str:
    bare, fastapi = f"bare@{server}", f"fastapi@{server}"
    rows: list[list[Cell]] = []
    for contender in contenders:
        name = f"{contender.name}@{server}"
        rows.append(
            [
                name,
                samples.median(name, method),
                samples.ratio(name, bare, method),
                samples.ratio(name, fastapi, method),
                samples.median(name, f"{method} cpu us"),
                samples.ratio(name, bare, f"{method} cpu us"),
                samples.median(name, f"{method} busy"),
                samples.median(name, f"{method} p99 ms"),
            ]
        )
    load = http.generator(options.seconds)
    title = f"{method} on {server}: {http.CONNECTIONS} keep-alive connections, load from {load}"
    head = ["application", "per second", "/ bare", "/ fastapi", "CPU us", "/ bare", "busy %"]
    return table(title, [*head, "p99 ms"], rows)


def _memory_table(contenders: list[Contender], options: Options, samples: Samples) -> str:
    rows: list[list[Cell]] = []
    for server in options.servers:
        for contender in contenders:
            name = f"{contender.name}@{server}"
            rows.append([name, samples.median(name, "rss"), samples.median(name, "peak")])
    return table("Resident memory", ["application", "MB at start", "MB peak"], rows)


def _targets(server: str, samples: Samples) -> list[Target]:
    return [target for method in REQUESTS for target in _targets_of(server, method, samples)]


def _targets_of(server: str, method: str, samples: Samples) -> Iterator[Target]:
    bare, fastapi = f"bare@{server}", f"fastapi@{server}"
    for name in ("pegboard serve", "pegboard"):
        served = f"{name}@{server}"
        yield Target(
            text=f"{server} {method}: requests per second, {name} / bare",
            limit=0.95,
            value=samples.ratio(served, bare, method),
            at_most=False,
        )
        yield Target(
            text=f"{server} {method}: requests per CPU second, {name} / bare",
            limit=0.95,
            value=samples.ratio(bare, served, f"{method} cpu us"),
            at_most=False,
        )
    if server == "uvicorn":
        yield Target(
            text=f"{server} {method}: requests per second, pegboard serve / fastapi",
            limit=3.5,
            value=samples.ratio(f"pegboard serve@{server}", fastapi, method),
            at_most=False,
        )

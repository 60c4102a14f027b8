"""WebSocket on real servers: echo round trips, and a broadcast to many connections."""

import json

from benchmarks.child import Child, cores
from benchmarks.contender import SOCKET, Contender
from benchmarks.options import Options
from benchmarks.report import Report
from benchmarks.sample import Samples
from benchmarks.served import Served, serve
from benchmarks.table import table

CONNECTIONS = {"echo": 50, "room": 1_000}


def run(options: Options) -> Report:
    """Serve every contender at once, on one core, and give each its turn of load."""
    contenders = options.choose(SOCKET)
    samples = Samples()
    for server in options.servers:
        with serve(contenders, server) as running:
            for _ in range(options.rounds):
                for kind in CONNECTIONS:
                    for served in running:
                        _turn(served, kind, options, samples)
    return Report(
        suite="ws",
        tables=[_table(kind, contenders, options, samples) for kind in CONNECTIONS],
        samples=samples,
    )


def _turn(served: Served, kind: str, options: Options, samples: Samples) -> None:
    """Open the connections, warm up, send load, record it, close the connections."""
    name, server = served.name, served.child
    arguments = (kind, str(served.port), str(CONNECTIONS[kind]))
    with Child.python("-m", "benchmarks.load.socket", *arguments, core=cores()[1]) as load:
        load.line()
        load.ask("0.2")
        before = server.cpu()
        answer = json.loads(load.ask(str(options.seconds)))
        cpu = server.cpu() - before
        samples.add(name, kind, answer["messages"] / answer["seconds"])
        samples.add(name, f"{kind} cpu us", cpu * 1e6 / answer["messages"])
        samples.add(name, f"{kind} mb", server.memory()["rss"])
        if "last_ms" in answer:
            samples.add(name, f"{kind} last ms", answer["last_ms"])


def _table(kind: str, contenders: list[Contender], options: Options, samples: Samples) -> str:
    rows = []
    for server in options.servers:
        for contender in contenders:
            name = f"{contender.name}@{server}"
            rows.append(
                [
                    name,
                    samples.median(name, kind),
                    samples.ratio(name, f"bare@{server}", kind),
                    samples.ratio(name, f"starlette@{server}", kind),
                    samples.median(name, f"{kind} cpu us"),
                    samples.ratio(name, f"bare@{server}", f"{kind} cpu us"),
                    samples.median(name, f"{kind} last ms"),
                    samples.median(name, f"{kind} mb"),
                ]
            )
    what = {"echo": "Echo: round trips/s", "room": "Broadcast: deliveries/s"}[kind]
    head = [
        "application",
        "per second",
        "/ bare",
        "/ starlette",
        "CPU us",
        "/ bare",
        "last after ms",
        "MB",
    ]
    return table(f"{what}, {CONNECTIONS[kind]:,} connections", head, rows)

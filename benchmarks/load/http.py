"""HTTP load over keep-alive connections: by wrk where it is installed, else by our own client."""

import json
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.child import Child, cores
from benchmarks.load.request import Request

CONNECTIONS = 64
"""Keep-alive connections, each with one request on its way."""

MARGIN_SECONDS = 15.0
"""How much longer than asked a load run may take before it is ended."""

_SCALE = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True, kw_only=True)
class Load:
    """What one run of load came to; latency in milliseconds."""

    requests: int
    per_second: float
    p99_ms: float
    errors: int


def generator(seconds: float) -> str:
    """Return what sends load for ``seconds`` here: wrk counts whole seconds only."""
    return "wrk" if seconds >= 1 and shutil.which("wrk") else "own client"


def send(request: Request, port: int, *, seconds: float) -> Load:
    """Send load to loopback for ``seconds`` from the core that drives.

    Raises:
        RuntimeError: when the generator failed or did not end in time.
    """
    if generator(seconds) == "wrk":
        return _wrk(request, port, seconds)
    arguments = (request.method, str(port), str(CONNECTIONS), str(seconds))
    with Child.python("-m", "benchmarks.load.client", *arguments, core=cores()[1]) as child:
        return Load(**json.loads(child.rest(seconds + MARGIN_SECONDS)))


def _wrk(request: Request, port: int, seconds: float) -> Load:
    script = (
        f'wrk.method = "{request.method}"\n'
        f"wrk.body = [==[{request.body.decode()}]==]\n"
        'wrk.headers["Content-Type"] = "application/json"\n'
    )
    url = f"http://127.0.0.1:{port}{request.target}"
    with tempfile.TemporaryDirectory() as folder:
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{round(seconds)}s", "--latency"]
        if request.body:
            path = Path(folder, "request.lua")
            path.write_text(script)
            command += ["-s", str(path)]
        with Child([*command, url], core=cores()[1]) as child:
            return _read(child.rest(seconds + MARGIN_SECONDS))


def _read(text: str) -> Load:
    """Read what wrk printed."""
    requests, per_second = _find(r"(\d+) requests in", text), _find(r"Requests/sec:\s+(\S+)", text)
    latency = re.search(r"99%\s+([\d.]+)(us|ms|s|m)", text)
    errors = _find(r"Non-2xx or 3xx responses: (\d+)", text)
    for kind in re.findall(r"Socket errors: (.*)", text):
        errors += sum(int(count) for count in re.findall(r"\d+", kind))
    return Load(
        requests=int(requests),
        per_second=per_second,
        p99_ms=float(latency[1]) * _SCALE[latency[2]] if latency else 0.0,
        errors=int(errors),
    )


def _find(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    return float(found[1]) if found else 0.0

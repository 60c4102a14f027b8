"""`pegboard serve` as a process: it starts, answers, and ends in order whatever is open."""

import contextlib
import json
import os
import re
import select
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

import pytest
import trustme

from pegboard.testing.server_suite import Client

MOD = """
import os
import threading
from pathlib import Path
import anyio
from pegboard import Result, get_app

export = get_app("probe").tb
HERE = Path(__file__).parent.parent
release = threading.Event()

@export(api=True)
async def hello():
    return "hello"

@export(api=True)
async def process():
    return os.getpid()

@export(api=True)
async def slow():
    (HERE / "entered").touch()
    while not (HERE / "release").exists():
        await anyio.sleep(0.01)
    return "done"

@export(api=True)
async def stuck():
    (HERE / "entered").touch()
    await anyio.sleep_forever()

@export(api=True)
def blocked():
    (HERE / "entered").touch()
    release.wait()

@export(api=True)
async def ticks():
    async def numbers():
        number = 0
        while True:
            yield number
            number += 1
            await anyio.sleep(0.05)
    return Result.stream(numbers())

@export(exit_f=True)
async def leave():
    (HERE / "left").write_text(str(os.getpid()))

@export(websocket_handler="echo")
def echo(app):
    async def on_message(app, conn_id, payload, **context):
        await app.ws_send(conn_id, payload)
    return {"on_message": on_message}
"""


class Served:
    """A `pegboard serve` in a process of its own."""

    def __init__(self, project, *arguments):
        environment = {key: value for key, value in os.environ.items() if "PEGBOARD" not in key}
        self.project = project
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "pegboard", "serve"),
                *("--project", str(project), "--port", "0", "--mod", "probe", *arguments),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        self.output = ""
        self.port = int(self.read_until(r"https?://[\w.]+:(\d+)")[1])
        self.clients = []

    def read_until(self, pattern, seconds=20.0):
        """Read output until it matches."""
        descriptor = self.process.stdout.fileno()
        end = time.monotonic() + seconds
        while (found := re.search(pattern, self.output)) is None:
            ready, _, _ = select.select([descriptor], [], [], max(0.0, end - time.monotonic()))
            part = os.read(descriptor, 65_536) if ready else b""
            assert part, f"no {pattern!r} in time in:\n{self.output}"
            self.output += part.decode()
        return found

    def connect(self, context=None):
        connection = socket.create_connection(("127.0.0.1", self.port), 10)
        if context is not None:
            connection = context.wrap_socket(connection, server_hostname="localhost")
        client = Client(connection)
        self.clients.append(client)
        return client

    def get(self, path, context=None):
        client = self.connect(context)
        client.send(f"GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n".encode())
        head, _, body = client.read_all().partition(b"\r\n\r\n")
        return head, body

    def open(self, path):
        client = self.connect()
        client.send(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        return client

    def wait_for(self, name):
        end = time.monotonic() + 10
        while not (self.project / name).exists():
            assert time.monotonic() < end, f"{name} did not appear"
            time.sleep(0.005)

    def end(self, seconds):
        """Wait for the process; return its exit status."""
        self.output += self.process.communicate(timeout=seconds)[0].decode()
        return self.process.returncode

    def close(self):
        for client in self.clients:
            client.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


@pytest.fixture
def serve(tmp_path):
    running = []

    def start(*arguments):
        (tmp_path / "mods").mkdir(exist_ok=True)
        (tmp_path / "mods" / "probe.py").write_text(MOD)
        running.append(Served(tmp_path, *arguments))
        return running[-1]

    yield start
    for each in running:
        each.close()


SERVERS = pytest.mark.parametrize(
    "arguments",
    [
        ("--server", "uvicorn"),
        ("--server", "hypercorn"),
        ("--server", "hypercorn", "--backend", "trio"),
        ("--server", "uvicorn", "--workers", "2"),
    ],
    ids=" ".join,
)


@SERVERS
def test_it_answers_and_says_where_and_what_is_open_to_whom(serve, arguments):
    served = serve(*arguments)
    head, body = served.get("/api/probe/hello")
    assert head.startswith(b"HTTP/1.1 200")
    assert json.loads(body)["result"]["data"] == "hello"
    served.read_until("Ctrl")
    assert arguments[1] in served.output
    assert "open to everyone  probe.{" in served.output


@SERVERS
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_requests_end_and_tells_streams_and_sockets(serve, arguments, number):
    served = serve(*arguments)
    slow = served.open("/api/probe/slow")
    served.wait_for("entered")
    stream = served.open("/sse/probe/ticks")
    stream.read_until(b"data: 0")
    web_socket = served.connect()
    assert web_socket.upgrade("/ws/probe/echo").startswith(b"HTTP/1.1 101")
    served.process.send_signal(number)
    stream.read_all()
    opcode, payload = web_socket.read_frame()
    while opcode == 1:
        opcode, payload = web_socket.read_frame()
    assert opcode == 8
    web_socket.send_frame(payload[:2], opcode=8)
    assert served.process.poll() is None
    (served.project / "release").touch()
    assert b"done" in slow.read_all()
    assert served.end(10) == 0
    assert (served.project / "left").exists()


@SERVERS
def test_what_does_not_end_is_cut_at_the_deadline_and_exit_functions_run(serve, arguments):
    served = serve(*arguments, "--shutdown-timeout", "0.5")
    served.open("/api/probe/stuck")
    served.wait_for("entered")
    served.connect().send(b"POST /api/probe/hello HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n")
    served.process.send_signal(signal.SIGTERM)
    assert served.end(8) == 0
    assert (served.project / "left").exists()
    assert "Traceback" not in served.output


@SERVERS
def test_a_second_signal_stops_at_once(serve, arguments):
    served = serve(*arguments, "--shutdown-timeout", "600")
    stuck = served.open("/api/probe/stuck")
    served.wait_for("entered")
    served.process.send_signal(signal.SIGTERM)
    served.read_until("once more stops at once")
    served.process.send_signal(signal.SIGTERM)
    stuck.read_all()
    assert served.end(10) == 0


def test_a_thread_that_hangs_does_not_keep_the_process_after_a_second_signal(serve):
    served = serve("--shutdown-timeout", "600")
    served.open("/api/probe/blocked")
    served.wait_for("entered")
    served.process.send_signal(signal.SIGTERM)
    served.read_until("once more stops at once")
    served.process.send_signal(signal.SIGTERM)
    assert served.end(10) == 1
    assert "not stopped within 3 s and cut off; threads: " in served.output
    assert "worker thread" in served.output


def test_a_port_in_use_is_named_with_the_next_step(serve):
    served = serve()
    command = [sys.executable, "-m", "pegboard", "serve", "--port", str(served.port)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert second.returncode == 1
    assert f"port {served.port} of 127.0.0.1 is in use" in second.stderr
    assert f"--port {served.port + 1}" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_worker_that_is_killed_is_started_again(serve):
    served = serve("--workers", "2")
    served.read_until("2 workers are ready")
    first = _process_of(served)
    os.kill(first, signal.SIGKILL)
    served.read_until(rf"process {first}\) ended: signal SIGKILL; starting it again")
    seen = set()
    end = time.monotonic() + 15
    while len(seen) < 2:
        assert time.monotonic() < end, f"only {seen} answered"
        seen.add(_process_of(served))
    assert first not in seen
    served.process.send_signal(signal.SIGTERM)
    assert served.end(10) == 0


@pytest.mark.parametrize(
    "arguments",
    [("--server", "uvicorn"), ("--server", "hypercorn"), ("--server", "uvicorn", "--workers", "2")],
    ids=" ".join,
)
def test_a_plugin_that_needs_a_new_process_gets_one_and_no_request_fails(serve, arguments):
    served = serve(*arguments)
    if "--workers" in arguments:
        served.read_until("2 workers are ready")
    slow = served.open("/api/probe/slow")
    served.wait_for("entered")
    name = f"server_{arguments[1]}"
    before, answers, done = set(), [], threading.Event()

    def ask():
        while not done.is_set():
            answers.append(served.get("/api/probe/process"))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        command = [sys.executable, "-m", "pegboard", "reload", name]
        command += ["--project", str(served.project)]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        before = set(map(int, re.findall(rf"(\d+)\s+plugin\s+{name}\s+restarting", told)))
        assert len(before) == (2 if "--workers" in arguments else 1), told
        for _ in before:
            served.read_until("has taken over")
            served.output = served.output.replace("has taken over", "took over", 1)
        (served.project / "release").touch()
        assert b"done" in slow.read_until(b"done")
    finally:
        done.set()
        asking.join()
    assert answers
    assert all(b" 200 " in head for head, _ in answers), answers
    assert _process_of(served) not in before
    if "--workers" not in arguments:
        assert before == {served.process.pid}
    served.process.send_signal(signal.SIGTERM)
    assert served.end(10) == 0


def test_a_new_process_that_cannot_start_takes_nothing_over(serve):
    served = serve("--server", "uvicorn")
    (served.project / "pegboard.toml").write_text("[serve]\nshutdown_timeout = 'none'\n")
    command = [sys.executable, "-m", "pegboard", "reload", "server_uvicorn"]
    subprocess.run([*command, "--project", str(served.project)], capture_output=True, check=True)
    served.read_until("could not start: this one goes on")
    assert _process_of(served) == served.process.pid
    served.process.send_signal(signal.SIGTERM)
    assert served.end(10) == 0


def test_workers_end_when_their_parent_is_killed(serve):
    served = serve("--workers", "2")
    served.read_until("2 workers are ready")
    process = _process_of(served)
    served.process.kill()
    end = time.monotonic() + 10
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < end and not _is_zombie(process):
            os.kill(process, 0)
            time.sleep(0.01)
    assert time.monotonic() < end


def test_workers_that_cannot_start_end_the_parent(tmp_path):
    (tmp_path / "pegboard.toml").write_text("[plugins]\ndeny = ['server_uvicorn']\n")
    command = [
        *(sys.executable, "-m", "pegboard", "serve", "--project", str(tmp_path), "--port", "0"),
        *("--no-mods", "--workers", "2", "--server", "uvicorn"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "plugin server_uvicorn is off: denied by the configuration" in done.stderr


def test_a_failed_mod_does_not_keep_the_others_from_serving(tmp_path, serve):
    (tmp_path / "mods").mkdir()
    (tmp_path / "mods" / "broken.py").write_text("def f(:\n")
    served = Served.__new__(Served)
    served.project, served.clients, served.output = tmp_path, [], ""
    served.process = subprocess.Popen(
        [sys.executable, "-m", "pegboard", "serve", "--project", str(tmp_path), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        served.port = int(served.read_until(r"http://[\w.]+:(\d+)")[1])
        served.read_until(r"mod broken failed: .*broken\.py")
        assert served.get("/health")[0].startswith(b"HTTP/1.1 200")
    finally:
        served.close()


def test_the_log_is_json_when_asked_for(serve):
    served = serve("--log-format", "json", "--access-log")
    served.get("/api/probe/hello?name=%0Ax")
    served.process.send_signal(signal.SIGTERM)
    assert served.end(10) == 0
    lines = [json.loads(line) for line in served.output.splitlines()]
    assert {"serving", "stopping (SIGTERM); once more stops at once"} <= {
        line["message"] for line in lines
    }
    assert any("/api/probe/hello" in line["message"] for line in lines)


def test_tls_is_served_with_a_certificate(serve, tmp_path):
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    both = str(tmp_path / "both.pem")
    served = serve("--certfile", both, "--keyfile", both)
    assert served.get("/api/probe/hello", context)[0].startswith(b"HTTP/1.1 200")
    assert f"https://127.0.0.1:{served.port}" in served.output


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--certfile", "x.pem"), "TLS needs both"),
        (("--server", "granian"), "there is no server 'granian'; known: hypercorn, uvicorn"),
        (("--server", "uvicorn", "--http2"), "cannot do http2: take --server hypercorn"),
        (("--host", "no.such.host.invalid"), "has no address here"),
        (("--certfile", "none.pem", "--keyfile", "none.pem"), "none.pem"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(tmp_path, arguments, text):
    command = [sys.executable, "-m", "pegboard", "serve", "--project", str(tmp_path), "--no-mods"]
    done = subprocess.run(
        [*command, "--port", "0", *arguments],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 1
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def _process_of(served):
    return json.loads(served.get("/api/probe/process")[1])["result"]["data"]


def _is_zombie(process):
    try:
        with open(f"/proc/{process}/stat") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_plugin_whose_settings_are_wrong_keeps_everything_from_serving(tmp_path):
    (tmp_path / "pegboard.toml").write_text("[plugins.transport_http]\nno_such_thing = 1\n")
    command = [sys.executable, "-m", "pegboard", "serve", "--project", str(tmp_path)]
    done = subprocess.run(
        [*command, "--no-mods", "--port", "0"],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 1
    assert "error: plugin transport_http: unknown setting" in done.stderr
    assert "http://" not in done.stdout


def test_without_a_server_the_port_does_not_matter(tmp_path):
    source = (
        "import pegboard._serving.serve as serve\n"
        "serve.find_plugins = list\n"
        "from pegboard._serving.failure import reported\n"
        "with reported():\n"
        "    serve.serve(serve.ServeRequest(config={'serve': {'host': 'no.such.host.invalid'}}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", source],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=20,
        check=False,
    )
    assert done.returncode == 1
    assert "pip install pegboard-server-uvicorn" in done.stderr

"""What is changed about Hypercorn's connections."""

import re
import time

import anyio
import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.settings import SettingCodes

from pegboard.testing.server_suite import Probe, RunningServer, running_server
from pegboard_server_hypercorn import HypercornConfig, HypercornServer
from pegboard_server_hypercorn._guard import why_not

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "uvloop", "trio"])


class Http2Client:
    """A client that takes as much as it says, and keeps what it has seen.

    Args:
        running: The server.
        window: Bytes of each answer that it takes before it says that it takes more.
    """

    def __init__(self, running: RunningServer, *, window: int | None = None) -> None:
        self.connection = H2Connection(H2Configuration(client_side=True))
        self.connection.initiate_connection()
        self.seen: list = []
        self._client = running.client()
        if window is not None:
            self.connection.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: window})

    def get(self, path, stream=1, **options):
        fields = [(":method", "GET"), (":path", path), (":scheme", "http"), (":authority", "a")]
        self.connection.send_headers(stream, fields, end_stream=True, **options)
        self.send()

    def send(self):
        self._client.send(self.connection.data_to_send())

    def take(self, size):
        self.connection.increment_flow_control_window(size, stream_id=1)
        self.send()

    def read(self):
        """Return what has happened next; the connection has to be there."""
        data = self._client.read_some()
        assert data, f"the connection has ended, after {self.seen}"
        events = self.connection.receive_data(data)
        self.seen += events
        return events

    def read_until(self, kind, stream=1):
        while not self.has_seen(kind, stream):
            self.read()

    def read_all(self):
        for data in iter(self._client.read_some, b""):
            self.seen += self.connection.receive_data(data)

    def has_seen(self, kind, stream=1):
        return any(isinstance(each, kind) and each.stream_id == stream for each in self.seen)

    @property
    def body(self):
        return b"".join(each.data for each in self.seen if isinstance(each, DataReceived))

    def close(self):
        self._client.close()


@BACKENDS
def test_an_http_2_client_that_goes_while_a_stream_is_blocked_leaves_nothing(backend):
    with running_server(HypercornServer(), backend, http2=True) as running:
        for _ in range(5):
            client = Http2Client(running, window=10)
            client.get("/stream")
            client.read_until(DataReceived)
            client.close()
        running.begin_stop()
        assert running.ends_within(1.5)


@BACKENDS
def test_a_small_answer_that_an_http_2_client_does_not_take_is_given_up(backend):
    with running_server(HypercornServer(), backend, http2=True, send_timeout=0.3) as running:
        client = Http2Client(running, window=0)
        client.get("/")
        client.read_until(StreamReset)
        assert not client.body
        client.connection.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 65_535})
        client.get("/", stream=3)
        client.read_until(StreamEnded, stream=3)
        running.begin_stop()
        assert running.ends_within(1.5)


@BACKENDS
def test_an_http_2_client_that_takes_an_answer_slowly_gets_all_of_it(backend):
    with running_server(HypercornServer(), backend, http2=True, send_timeout=1.0) as running:
        client = Http2Client(running, window=0)
        client.get("/")
        for count in range(1, 6):
            time.sleep(0.25)  # what is measured is time: the client is slow
            client.take(1)
            while len(client.body) < count:
                client.read()
        assert client.body == b"hello"


@BACKENDS
@pytest.mark.parametrize("drip", [False, True])
def test_a_download_waits_in_the_application_while_an_http_2_client_takes_little(backend, drip):
    with running_server(HypercornServer(), backend, http2=True, send_timeout=0.8) as running:
        client = Http2Client(running, window=0)
        client.get("/flood")
        client.read_until(ResponseReceived)
        for _ in range(10 if drip else 2):
            time.sleep(0.1)  # what is measured is time: the client is slow
            if drip:
                client.take(1)
                client.read()
        assert not client.has_seen(StreamReset)
        assert running.probe.flooded < 1024 * 1024
        if not drip:
            client.read_until(StreamReset)
        running.begin_stop()


@BACKENDS
def test_an_http_2_stream_that_waits_for_another_one_is_not_the_fault_of_its_client(backend):
    with running_server(HypercornServer(), backend, http2=True, send_timeout=0.5) as running:
        client = Http2Client(running)
        client.get("/flood")
        client.get("/", stream=3, priority_depends_on=1)
        end = time.monotonic() + 1.3
        while not client.has_seen(StreamEnded, stream=3):
            for event in client.read():
                assert not isinstance(event, StreamReset)
                if isinstance(event, DataReceived):
                    size = event.flow_controlled_length
                    client.connection.acknowledge_received_data(size, event.stream_id)
            client.seen = [each for each in client.seen if isinstance(each, StreamEnded)]
            client.send()
            if time.monotonic() > end:
                running.begin_stop()
        assert running.probe.flooded


class GivingUp(Probe):
    """Gives a download up whose client takes nothing for a moment."""

    async def _flood(self, receive, send):
        with anyio.move_on_after(0.3):
            await super()._flood(receive, send)
        self.entered.set()


@pytest.mark.parametrize("backend", ["asyncio", "uvloop"])
def test_a_download_that_was_given_up_does_not_hold_up_a_stop(backend, monkeypatch):
    monkeypatch.setattr("pegboard.testing._running_server.Probe", GivingUp)
    with running_server(HypercornServer(), backend, shutdown_timeout=20.0) as running:
        client = running.client()
        client.send(b"GET /flood HTTP/1.1\r\nhost: a\r\n\r\n")
        assert running.probe.entered.wait(5)
        running.begin_stop()
        assert running.ends_within(3)


@BACKENDS
def test_a_stop_says_goodbye_to_http_2(backend):
    with running_server(HypercornServer(), backend, http2=True) as running:
        client = Http2Client(running)
        client.get("/events")
        client.read_until(DataReceived)
        running.begin_stop()
        client.read_all()
        assert client.has_seen(StreamEnded)
        assert any(isinstance(each, ConnectionTerminated) for each in client.seen)
        assert running.ends_within(3)


@BACKENDS
@pytest.mark.parametrize("end", ["idle", "stop"])
def test_the_end_of_an_idle_connection_is_said_to_http_2(backend, end):
    server = HypercornServer(HypercornConfig(keep_alive=0.1 if end == "idle" else 60))
    with running_server(server, backend, http2=True) as running:
        client = Http2Client(running)
        client.get("/")
        client.read_until(StreamEnded)
        if end == "stop":
            running.begin_stop()
        client.read_all()
        assert isinstance(client.seen[-1], ConnectionTerminated)


@BACKENDS
def test_an_open_websocket_is_pinged_and_one_that_ended_does_not_wait_for_the_next_ping(backend):
    server = HypercornServer(HypercornConfig(websocket_ping=0.05))
    with running_server(server, backend) as running:
        client = running.client()
        client.upgrade()
        first = client.read(2)
        assert first == b"\x89\x00"
    with running_server(HypercornServer(HypercornConfig(websocket_ping=3600)), backend) as running:
        client = running.client()
        client.upgrade()
        client.close()
        assert running.probe.disconnected.wait(5)
        running.begin_stop()
        assert running.ends_within(1.5)


@BACKENDS
def test_a_head_above_the_limit_is_a_431(backend):
    server = HypercornServer(HypercornConfig(head_limit=1024))
    with running_server(server, backend) as running:
        client = running.client()
        client.send(b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"x" * 1100 + b"\r\n\r\n")
        assert re.match(rb"HTTP/1.1 431", client.read_all())
        assert running.get() == (200, b"hello")


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", [(b"host", b"example.org:8000")], None),
        ("GET", [(b"host", b"[::1]:8000")], None),
        ("GET", [], None),
        ("POST", [(b"host", b"a"), (b"content-length", b"3")], None),
        ("POST", [(b"content-length", b"3"), (b"transfer-encoding", b"chunked")], 400),
        ("GET", [(b"host", b"a b")], 400),
        ("GET", [(b"host", b"a\\b")], 400),
        ("GET", [(b"host", b"user@a")], 400),
        ("PRI", [], 400),
        ("GET", [(b"x", b"y" * 100)], 431),
    ],
)
def test_which_requests_are_refused(method, headers, status):
    refusal = why_not(method, headers, 100)
    assert (refusal and refusal[0]) == status

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


@BACKENDS
def test_an_http_2_client_that_goes_while_a_stream_is_blocked_leaves_nothing(backend):
    with running_server(HypercornServer(), backend, http2=True) as running:
        for _ in range(5):
            client, connection = _connected(running)
            connection.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 10})
            connection.send_headers(1, _get("/stream"), end_stream=True)
            client.send(connection.data_to_send())
            events = connection.receive_data(client.read_some())
            while not any(isinstance(each, DataReceived) for each in events):
                events = connection.receive_data(client.read_some())
            client.close()
        running.begin_stop()
        assert running.ends_within(1.5)


@BACKENDS
def test_a_small_answer_that_an_http_2_client_does_not_take_is_given_up(backend):
    with running_server(HypercornServer(), backend, http2=True, send_timeout=0.3) as running:
        client, connection = _connected(running)
        connection.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 0})
        connection.send_headers(1, _get("/"), end_stream=True)
        client.send(connection.data_to_send())
        seen = []
        while not any(isinstance(each, StreamReset) for each in seen):
            seen += connection.receive_data(client.read_some())
        assert not any(isinstance(each, DataReceived) for each in seen)
        connection.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 65_535})
        connection.send_headers(3, _get("/"), end_stream=True)
        client.send(connection.data_to_send())
        while not any(isinstance(each, StreamEnded) and each.stream_id == 3 for each in seen):
            seen += connection.receive_data(client.read_some())
        running.begin_stop()
        assert running.ends_within(1.5)


@BACKENDS
def test_an_http_2_client_that_takes_an_answer_slowly_gets_all_of_it(backend):
    with running_server(HypercornServer(), backend, http2=True, send_timeout=0.5) as running:
        client, connection = _connected(running)
        connection.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 0})
        connection.send_headers(1, _get("/"), end_stream=True)
        client.send(connection.data_to_send())
        body = b""
        for _ in b"hello":
            time.sleep(0.2)  # what is measured is time: the client is slow
            connection.increment_flow_control_window(1, stream_id=1)
            client.send(connection.data_to_send())
            received = b""
            while not received:
                events = connection.receive_data(client.read_some())
                received = b"".join(e.data for e in events if isinstance(e, DataReceived))
            body += received
        assert body == b"hello"


@BACKENDS
@pytest.mark.parametrize("drip", [False, True])
def test_a_download_waits_in_the_application_while_an_http_2_client_takes_little(backend, drip):
    with running_server(HypercornServer(), backend, http2=True, send_timeout=0.8) as running:
        client, connection = _connected(running)
        connection.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 0})
        connection.send_headers(1, _get("/flood"), end_stream=True)
        client.send(connection.data_to_send())
        seen = []
        while not any(isinstance(each, ResponseReceived) for each in seen):
            seen += connection.receive_data(client.read_some())
        for _ in range(10 if drip else 2):
            time.sleep(0.1)  # what is measured is time: the client is slow
            if drip:
                connection.increment_flow_control_window(1, stream_id=1)
                client.send(connection.data_to_send())
                seen += connection.receive_data(client.read_some())
        assert not any(isinstance(each, StreamReset) for each in seen)
        assert running.probe.flooded < 1024 * 1024
        while not drip and not any(isinstance(each, StreamReset) for each in seen):
            seen += connection.receive_data(client.read_some())
        running.begin_stop()


@BACKENDS
def test_an_http_2_stream_that_waits_for_another_one_is_not_the_fault_of_its_client(backend):
    with running_server(HypercornServer(), backend, http2=True, send_timeout=0.5) as running:
        client, connection = _connected(running)
        connection.send_headers(1, _get("/flood"), end_stream=True)
        connection.send_headers(3, _get("/"), end_stream=True, priority_depends_on=1)
        client.send(connection.data_to_send())
        body, end = b"", time.monotonic() + 1.3
        while body != b"hello":
            for event in connection.receive_data(client.read_some()):
                assert not isinstance(event, StreamReset)
                if isinstance(event, DataReceived):
                    size = event.flow_controlled_length
                    connection.acknowledge_received_data(size, event.stream_id)
                    body += event.data if event.stream_id == 3 else b""
            client.send(connection.data_to_send())
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
        client, connection = _connected(running)
        connection.send_headers(1, _get("/events"), end_stream=True)
        client.send(connection.data_to_send())
        seen = []
        while not any(isinstance(each, DataReceived) for each in seen):
            seen += connection.receive_data(client.read_some())
        running.begin_stop()
        while data := client.read_some():
            seen += connection.receive_data(data)
        assert any(isinstance(each, StreamEnded) for each in seen)
        assert any(isinstance(each, ConnectionTerminated) for each in seen)
        assert running.ends_within(3)


@BACKENDS
@pytest.mark.parametrize("end", ["idle", "stop"])
def test_the_end_of_an_idle_connection_is_said_to_http_2(backend, end):
    server = HypercornServer(HypercornConfig(keep_alive=0.1 if end == "idle" else 60))
    with running_server(server, backend, http2=True) as running:
        client, connection = _connected(running)
        connection.send_headers(1, _get("/"), end_stream=True)
        client.send(connection.data_to_send())
        seen = []
        while not any(isinstance(each, StreamEnded) for each in seen):
            seen += connection.receive_data(client.read_some())
        if end == "stop":
            running.begin_stop()
        while data := client.read_some():
            seen += connection.receive_data(data)
        assert isinstance(seen[-1], ConnectionTerminated)


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


def _connected(running: RunningServer):
    client = running.client()
    connection = H2Connection(H2Configuration(client_side=True))
    connection.initiate_connection()
    return client, connection


def _get(path):
    return [(":method", "GET"), (":path", path), (":scheme", "http"), (":authority", "a")]

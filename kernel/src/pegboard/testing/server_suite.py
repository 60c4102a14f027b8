"""What every server has to do: subclass `ServerSuite` and give it yours.

```python
class TestMyServer(ServerSuite):
    @pytest.fixture
    def server(self) -> Server:
        return MyServer()
```

The tests talk to real sockets on the loopback interface, with the server on a loop in another
thread. They need `trustme` for TLS, `h2` for HTTP/2 and `uvloop` for the backend of that name. None
is skipped: what a server does not declare among its features it has to refuse.
"""

from __future__ import annotations

import http.client
import logging
import os
import re
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import anyio
import pytest
from anyio.abc import TaskStatus

from pegboard.contracts.server import Server, ServeSettings
from pegboard.errors import ConfigError
from pegboard.testing._raw_client import Client, get_request, http2_get
from pegboard.testing._running_server import (
    TIMEOUT,
    RunningServer,
    listening_socket,
    new_portal,
    new_settings,
    running_server,
)
from pegboard.testing._server_probe import Probe

__all__ = ["Client", "Probe", "RunningServer", "ServerSuite", "running_server"]


class ServerSuite:
    """The contract `pegboard.contracts.server.Server` as tests.

    Attributes:
        backends: The loops that the server runs on: `asyncio`, `uvloop`, `trio`.
    """

    backends: ClassVar[tuple[str, ...]] = ("asyncio", "uvloop")

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test on each backend."""
        if "backend" in metafunc.fixturenames:
            metafunc.parametrize("backend", self.backends)

    @pytest.fixture
    def server(self) -> Server:
        """Give the server under test."""
        raise NotImplementedError

    @pytest.fixture
    def start(self, server: Server, backend: str) -> Iterator[Callable[..., RunningServer]]:
        """Give a function that starts the server with settings; it is stopped after the test."""
        stack: list[Any] = []

        def start(**settings: Any) -> RunningServer:
            manager = running_server(server, backend, **settings)
            stack.append(manager)
            running: RunningServer = manager.__enter__()
            return running

        yield start
        for manager in reversed(stack):
            manager.__exit__(None, None, None)

    # -- requests --------------------------------------------------------------------------

    def test_a_get_is_answered(self, start: Any) -> None:
        assert start().get() == (200, b"hello")

    def test_a_body_arrives_whole(self, start: Any) -> None:
        running = start()
        body = os.urandom(300_000)
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=TIMEOUT)
        connection.request("POST", "/echo", body)
        assert connection.getresponse().read() == body
        connection.close()

    def test_a_chunked_body_arrives_whole(self, start: Any) -> None:
        client = start().client()
        client.send(b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
        client.send(b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n")
        head = client.read_until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        assert client.read(7) == b"abcdefg"

    def test_trailers_are_not_taken_for_headers(self, start: Any) -> None:
        running = start()
        client = running.client()
        client.send(b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
        client.send(b"3\r\nabc\r\n0\r\nauthorization: Bearer smuggled\r\ncookie: a=b\r\n\r\n")
        client.send(get_request("/hello", close=True))
        assert client.read_all().endswith(b"hello")
        names = [[name for name, _ in scope["headers"]] for scope in running.probe.scopes]
        assert names == [[b"host", b"transfer-encoding"], [b"host", b"connection"]]

    def test_one_connection_serves_many_requests(self, start: Any) -> None:
        client = start().client()
        for _ in range(5):
            client.send(get_request("/hello"))
            assert client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 200")
            assert client.read(5) == b"hello"

    def test_pipelined_requests_are_answered_in_order(self, start: Any) -> None:
        client = start().client()
        client.send(
            get_request("/hello") + get_request("/stream") + get_request("/hello", close=True)
        )
        answer = client.read_all()
        assert answer.count(b"HTTP/1.1 200") == 3
        assert answer.index(b"hello") < answer.index(b"part 2") < answer.rindex(b"hello")

    def test_a_head_request_gets_no_body(self, start: Any) -> None:
        client = start().client()
        client.send(b"HEAD /hello HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        head, _, body = client.read_all().partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        assert b"content-length: 5" in head.lower()
        assert body == b""

    def test_http_1_0_is_answered_and_closed(self, start: Any) -> None:
        client = start().client()
        client.send(b"GET /hello HTTP/1.0\r\n\r\n")
        assert client.read_all().endswith(b"hello")

    def test_a_stream_arrives_part_by_part(self, start: Any) -> None:
        client = start().client()
        client.send(get_request("/events"))
        assert b"data: first" in client.read_until(b"first\n\n")

    def test_the_path_is_decoded_and_its_raw_form_kept(self, start: Any) -> None:
        running = start()
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=TIMEOUT)
        connection.request("GET", "/h%65llo?n=%C3%A4")
        connection.getresponse().read()
        connection.close()
        scope = running.probe.scopes[-1]
        assert (scope["path"], scope["raw_path"]) == ("/hello", b"/h%65llo")
        assert scope["query_string"] == b"n=%C3%A4"
        assert scope["client"][0] == "127.0.0.1"

    def test_no_header_names_the_server_software(self, start: Any) -> None:
        client = start().client()
        client.send(get_request("/hello"))
        assert b"\nserver:" not in client.read_until(b"\r\n\r\n").lower()

    def test_an_application_that_fails_is_a_500_and_the_server_lives_on(
        self, start: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        running = start()
        assert running.get("/fail")[0] == 500
        assert running.get() == (200, b"hello")
        assert "on purpose" in caplog.text

    # -- flow ------------------------------------------------------------------------------

    def test_a_client_that_does_not_read_stops_the_application(self, start: Any) -> None:
        running = start()
        client = running.client()
        client.send(get_request("/flood"))
        level = _settled(lambda: running.probe.flooded)
        assert 0 < level < 64 * 1024 * 1024
        while running.probe.flooded == level:
            assert client.read(1_000_000)

    def test_a_client_that_accepts_none_of_many_small_answers_is_dropped(self, start: Any) -> None:
        running = start(send_timeout=0.5, shutdown_timeout=0.5)
        client = running.client(receive_buffer=4096)
        with pytest.raises(ConnectionError):
            client.send(get_request("/page") * 200_000)
        assert running.get() == (200, b"hello")

    def test_the_application_sees_a_client_go(self, start: Any) -> None:
        running = start()
        client = running.client()
        client.send(get_request("/disconnect"))
        assert running.probe.entered.wait(TIMEOUT)
        client.close()
        assert running.probe.disconnected.wait(TIMEOUT)

    # -- sockets ---------------------------------------------------------------------------

    def test_a_websocket_echoes_text_and_bytes(self, start: Any) -> None:
        client = start().client()
        assert client.upgrade().startswith(b"HTTP/1.1 101")
        client.send_frame("grüß".encode())
        assert client.read_frame() == (1, "grüß".encode())
        client.send_frame(b"\x00\xff" * 500, opcode=2)
        assert client.read_frame() == (2, b"\x00\xff" * 500)

    def test_a_websocket_sees_its_client_go(self, start: Any) -> None:
        running = start()
        client = running.client()
        client.upgrade()
        client.close()
        assert running.probe.disconnected.wait(TIMEOUT)

    def test_a_close_frame_is_answered(self, start: Any) -> None:
        client = start().client()
        client.upgrade()
        client.send_frame(struct.pack("!H", 1000), opcode=8)
        opcode, payload = client.read_frame()
        assert (opcode, payload[:2]) == (8, struct.pack("!H", 1000))
        assert client.read_frame()[0] == -1

    def test_a_refused_handshake_is_answered_with_its_status_and_is_no_error(
        self, start: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        running = start()
        client = running.client()
        assert client.upgrade("/refuse").startswith(b"HTTP/1.1 404")
        assert client.read(4) == b"none"
        running.close()
        assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []

    @pytest.mark.parametrize("is_wanted", [True, False])
    def test_the_access_log_has_a_line_for_requests_and_sockets_where_it_is_wanted(
        self, start: Any, caplog: pytest.LogCaptureFixture, *, is_wanted: bool
    ) -> None:
        caplog.set_level(logging.INFO)
        running = start(access_log=is_wanted)
        running.get("/hello")
        for path in ("/socket", "/refuse"):
            running.client().upgrade(path)
        running.close()
        for path in ("/hello", "/socket", "/refuse"):
            assert (path in caplog.text) == is_wanted

    def test_a_broken_frame_closes_only_its_socket(self, start: Any) -> None:
        running = start()
        client = running.client()
        client.upgrade()
        client.send(b"\xff\xff\xff\xff\xff\xff\xff\xff")
        opcode, _ = client.read_frame()
        assert opcode in (8, -1)
        assert running.get() == (200, b"hello")

    def test_a_handshake_with_huge_headers_is_a_4xx(self, start: Any) -> None:
        running = start()
        client = running.client()
        client.send(
            b"GET / HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
            b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            b"cookie: " + b"c" * 100_000 + b"\r\n\r\n"
        )
        assert re.match(rb"HTTP/1.1 4\d\d", client.read_all())
        assert running.get() == (200, b"hello")

    # -- bad input -------------------------------------------------------------------------

    @pytest.mark.parametrize(
        "data",
        [
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
            b"GET / HTTP/1.1\r\nno colon\r\nhost: a\r\n\r\n",
            b"GET / HTTP/1.1\r\nhost: a\r\nx: a\x00b\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
            b"GET / HTTP/1.1\r\nhost: a b\r\n\r\n",
            b"GET / HTTP/1.1\r\nhost: a/../b\r\n\r\n",
            b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 3x\r\n\r\nabc",
            b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: -3\r\n\r\nabc",
            b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
            b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        ],
        ids=lambda data: repr(data[:70]),
    )
    def test_bad_bytes_are_a_4xx_and_the_server_lives_on(self, start: Any, data: bytes) -> None:
        running = start()
        client = running.client()
        client.send(data)
        assert re.match(rb"HTTP/1.1 4\d\d", client.read_all())
        assert running.get() == (200, b"hello")

    @pytest.mark.parametrize(
        "headers",
        [
            b"content-length: 4\r\ntransfer-encoding: chunked\r\n",
            b"transfer-encoding: chunked\r\ncontent-length: 4\r\n",
            b"transfer-encoding: identity, chunked, identity\r\n",
            b"transfer-encoding : chunked\r\n",
        ],
    )
    def test_a_body_of_two_lengths_is_refused_and_nothing_after_it_is_read(
        self, start: Any, headers: bytes
    ) -> None:
        running = start()
        client = running.client()
        smuggled = get_request("/hello")
        client.send(b"POST /echo HTTP/1.1\r\nhost: a\r\n" + headers + b"\r\n0\r\n\r\n" + smuggled)
        answer = client.read_all()
        assert re.match(rb"HTTP/1.1 (4\d\d|501)", answer)
        assert answer.count(b"HTTP/1.1") == 1

    def test_a_head_without_end_is_refused(self, start: Any) -> None:
        client = start().client()
        client.send(b"GET / HTTP/1.1\r\nhost: a\r\n")
        try:
            for _ in range(64):
                client.send(b"x-filler: " + b"y" * 16_000 + b"\r\n")
        except ConnectionError:
            return
        assert re.match(rb"HTTP/1.1 4\d\d|$", client.read_all())

    @pytest.mark.parametrize("end", [b"\r\n", b""], ids=["of many fields", "of one field"])
    def test_trailers_without_end_are_refused(self, start: Any, end: bytes) -> None:
        client = start().client()
        client.send(b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
        client.send(b"3\r\nabc\r\n0\r\nx: ")
        try:
            for _ in range(64):
                client.send(b"y" * 16_000 + end + (b"x: " if end else b""))
        except ConnectionError:
            return
        assert re.match(rb"HTTP/1.1 4\d\d|$", client.read_all())

    def test_a_head_that_does_not_arrive_is_cut(self, start: Any) -> None:
        client = start(header_timeout=0.5).client()
        client.send(b"GET / HTTP/1.1\r\nhost:")
        begin = time.monotonic()
        client.read_all()
        assert time.monotonic() - begin < TIMEOUT - 1

    # -- the end ---------------------------------------------------------------------------

    def test_an_idle_server_stops_at_once(self, start: Any) -> None:
        running = start()
        running.get()
        client = running.client()
        client.send(get_request("/hello"))
        client.read_until(b"hello")
        running.begin_stop()
        assert running.ends_within(2)

    def test_a_stop_lets_request_stream_and_socket_end(self, start: Any) -> None:
        running = start(shutdown_timeout=20.0)
        slow, events, web_socket, half = (running.client() for _ in range(4))
        slow.send(get_request("/slow"))
        assert running.probe.entered.wait(TIMEOUT)
        events.send(get_request("/events"))
        events.read_until(b"first\n\n")
        web_socket.upgrade()
        half.send(
            b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\nconnection: close\r\n\r\n"
        )
        running.begin_stop()
        assert b"data: last" in events.read_all()
        opcode, payload = web_socket.read_frame()
        assert (opcode, payload[:2]) == (8, struct.pack("!H", 1012))
        web_socket.send_frame(payload[:2], opcode=8)
        half.send(b"123456789")
        assert half.read_all().endswith(b"123456789")
        assert not running.ends_within(0.1)
        running.portal.call(running.probe.release.set)
        assert slow.read_all().endswith(b"done")
        assert running.ends_within(3)

    def test_what_does_not_end_by_itself_is_cut_at_the_deadline(self, start: Any) -> None:
        running = start(shutdown_timeout=0.5)
        ignoring, flooded, half = (running.client() for _ in range(3))
        ignoring.send(get_request("/ignore"))
        assert running.probe.entered.wait(TIMEOUT)
        flooded.send(get_request("/flood"))
        _settled(lambda: running.probe.flooded)
        half.send(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhal")
        begin = time.monotonic()
        running.begin_stop()
        assert running.ends_within(5)
        assert time.monotonic() - begin < 3.5
        assert b"200 OK" not in ignoring.read_all()

    def test_a_half_sent_head_does_not_hold_up_a_stop(self, start: Any) -> None:
        running = start(shutdown_timeout=20.0)
        running.client().send(b"GET / HTTP/1.1\r\nhost: a\r\n")
        running.client()
        assert running.get() == (200, b"hello")
        running.begin_stop()
        assert running.ends_within(3)

    def test_a_stop_that_was_asked_for_before_the_start_ends_at_once(
        self, server: Server, backend: str
    ) -> None:
        with listening_socket() as listening, new_portal(backend) as portal:
            portal.call(_serve_stopped, server, listening.fileno(), new_settings(backend))

    def test_the_sockets_stay_the_callers(self, server: Server, backend: str) -> None:
        with listening_socket() as listening, new_portal(backend) as portal:
            portal.call(_serve_stopped, server, listening.fileno(), new_settings(backend))
            assert listening.getsockname()[1]
            portal.call(_serve_stopped, server, listening.fileno(), new_settings(backend))

    def test_cancelling_it_cuts_at_once(self, server: Server, backend: str) -> None:
        with listening_socket() as listening, new_portal(backend) as portal:
            portal.call(_serve_cancelled, server, listening, backend)

    # -- TLS and HTTP/2 --------------------------------------------------------------------

    def test_tls_with_a_certificate(
        self, start: Any, tmp_path: Path, server: Server, backend: str
    ) -> None:
        settings, context = _certificate(tmp_path)
        if "tls" not in server.features:
            _assert_refused(server, backend, "tls", **settings)
            return
        client = start(**settings).client(context)
        client.send(get_request("/hello", close=True))
        assert client.read_all().endswith(b"hello")

    def test_plain_text_to_a_tls_port_harms_nobody(
        self, start: Any, tmp_path: Path, server: Server, backend: str
    ) -> None:
        settings, context = _certificate(tmp_path)
        if "tls" not in server.features:
            _assert_refused(server, backend, "tls", **settings)
            return
        running = start(**settings)
        plain = running.client()
        plain.send(get_request("/hello"))
        plain.read_all()
        client = running.client(context)
        client.send(get_request("/hello", close=True))
        assert client.read_all().endswith(b"hello")

    def test_a_certificate_that_is_not_there_is_named(
        self, server: Server, tmp_path: Path, backend: str
    ) -> None:
        missing = str(tmp_path / "missing.pem")
        reason = r"missing\.pem" if "tls" in server.features else "tls"
        _assert_refused(server, backend, reason, certfile=missing, keyfile=missing)

    def test_http_2_over_tls(
        self, start: Any, tmp_path: Path, server: Server, backend: str
    ) -> None:
        settings, context = _certificate(tmp_path)
        if missing := {"http2", "tls"} - server.features:
            _assert_refused(server, backend, "|".join(missing), http2=True, **settings)
            return
        context.set_alpn_protocols(["h2"])
        client = start(http2=True, **settings).client(context)
        assert http2_get(client, "/hello") == b"hello"

    def test_http_2_in_clear_text_only_where_it_was_asked_for(
        self, start: Any, server: Server, backend: str
    ) -> None:
        client = start().client()
        client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert re.match(rb"HTTP/1.1 [45]\d\d", client.read_all())
        client = start().client()
        client.send(
            b"GET /hello HTTP/1.1\r\nhost: a\r\nconnection: Upgrade, HTTP2-Settings, close\r\n"
            b"upgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n"
        )
        assert not client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 101")
        if "http2" in server.features:
            assert http2_get(start(http2=True).client(), "/hello") == b"hello"
        else:
            _assert_refused(server, backend, "http2", http2=True)


def _assert_refused(server: Server, backend: str, reason: str, **settings: Any) -> None:
    with (
        new_portal(backend) as portal,
        listening_socket() as listening,
        pytest.raises(ConfigError, match=reason),
    ):
        portal.call(_serve_stopped, server, listening.fileno(), new_settings(backend, **settings))


async def _serve_stopped(server: Server, descriptor: int, settings: ServeSettings) -> None:
    probe = Probe()
    probe.stop.set()
    with anyio.fail_after(5):
        await server.serve(
            probe,
            settings,
            sockets=[descriptor],
            started=lambda: None,
            stop=probe.stop,
        )


async def _serve_cancelled(server: Server, listening: socket.socket, backend: str) -> None:
    probe = Probe()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:

            async def serve(*, task_status: TaskStatus[None]) -> None:
                await server.serve(
                    probe,
                    new_settings(backend, shutdown_timeout=60.0),
                    sockets=[listening.fileno()],
                    started=task_status.started,
                    stop=probe.stop,
                )

            await tasks.start(serve)
            stream = await anyio.connect_tcp("127.0.0.1", listening.getsockname()[1])
            async with stream:
                await stream.send(get_request("/events"))
                received = b""
                while b"first" not in received:
                    received += await stream.receive()
                tasks.cancel_scope.cancel()


def _settled(read: Callable[[], int]) -> int:
    """Wait until a number that grows does not grow any more."""
    last, since = -1, time.monotonic()
    end = since + TIMEOUT
    while time.monotonic() < end:
        now = read()
        if now != last:
            last, since = now, time.monotonic()
        elif last > 0 and time.monotonic() - since > 0.3:
            return last
        time.sleep(0.01)
    return last


def _certificate(folder: Path) -> tuple[dict[str, str], ssl.SSLContext]:
    import trustme

    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    certfile, keyfile = folder / "server.pem", folder / "server.key"
    certfile.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(keyfile)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return {"certfile": str(certfile), "keyfile": str(keyfile)}, context

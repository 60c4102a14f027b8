"""The bounds and checks that are added to uvicorn's connections."""

import gc
import re
import struct
import time
from threading import Thread

import pytest

from pegboard.testing.server_suite import Probe, running_server
from pegboard_server_uvicorn import UvicornConfig, UvicornServer
from pegboard_server_uvicorn._protocol import GuardedProtocol

REQUEST = b"GET /hello HTTP/1.1\r\nhost: a\r\n\r\n"


@pytest.fixture(params=["asyncio", "uvloop"])
def serve(request):
    """Return a function that serves with a configuration."""

    def start(**config):
        settings = {
            "header_timeout": config.pop("header_timeout", 10.0),
            "shutdown_timeout": 60.0,
        }
        return running_server(UvicornServer(UvicornConfig(**config)), request.param, **settings)

    return start


def test_a_head_above_the_limit_is_a_431_in_one_piece_and_in_many(serve):
    with serve(head_limit=1024) as running:
        whole = running.client()
        whole.send(b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"x" * 1100 + b"\r\n\r\n")
        assert whole.read_all().startswith(b"HTTP/1.1 431")
        parts = running.client()
        parts.send(b"GET / HTTP/1.1\r\nhost: a\r\n")
        for _ in range(12):
            parts.send(b"x: " + b"x" * 100 + b"\r\n")
        assert parts.read_all().startswith(b"HTTP/1.1 431")
        assert running.get() == (200, b"hello")


def test_a_kept_connection_counts_each_head_for_itself(serve):
    with serve(head_limit=1024) as running:
        client = running.client()
        for _ in range(5):
            client.send(b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"x" * 900 + b"\r\n\r\n")
            assert client.read_until(b"hello").startswith(b"HTTP/1.1 200")


def test_a_large_body_is_not_taken_for_a_head(serve):
    with serve(head_limit=1024) as running:
        client = running.client()
        client.send(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 9000\r\n\r\n")
        for _ in range(9):
            client.send(b"b" * 1000)
        assert client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 200")
        assert client.read(9000) == b"b" * 9000


def test_the_body_of_a_request_is_not_counted_with_the_head_of_the_next(serve):
    with serve(head_limit=1024) as running:
        client = running.client()
        client.send(b"POST /echo HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n")
        client.send(b"content-length: 9000\r\n\r\n")
        client.read_until(b"100 Continue\r\n\r\n")
        client.send(b"b" * 9000 + b"GET /hello HTTP/1.1\r\n")
        client.read_until(b"\r\n\r\n")
        assert client.read(9000) == b"b" * 9000
        client.send(b"host: a\r\n\r\n")
        assert client.read_until(b"hello").startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("start", [b"", b"GET", b"GET / HTTP/1.1\r\nhost: a\r\nx"])
def test_a_head_that_does_not_come_is_a_408(serve, start):
    with serve(header_timeout=0.2) as running:
        client = running.client()
        client.send(start)
        assert re.match(rb"HTTP/1.1 408", client.read_all())


def test_a_second_head_that_does_not_come_is_a_408(serve):
    with serve(header_timeout=0.2) as running:
        client = running.client()
        client.send(REQUEST)
        client.read_until(b"hello")
        client.send(b"GET /he")
        assert re.match(rb"HTTP/1.1 408", client.read_all())


def test_a_slow_answer_is_not_taken_for_a_slow_head(serve):
    with serve(header_timeout=0.2) as running:
        client = running.client()
        client.send(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n")
        assert running.probe.entered.wait(5)
        waiting = running.client()
        waiting.send(b"GET")
        waiting.read_all()  # the deadlines were looked at
        running.portal.call(running.probe.release.set)
        assert client.read_until(b"done").startswith(b"HTTP/1.1 200")


def test_an_idle_connection_is_closed_without_a_word(serve):
    with serve(keep_alive=1) as running:
        client = running.client()
        client.send(REQUEST)
        client.read_until(b"hello")
        assert client.read_all() == b""


def test_bad_bytes_behind_a_request_are_not_answered_before_it(serve):
    with serve() as running:
        client = running.client()
        client.send(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n")
        assert running.probe.entered.wait(5)
        client.send(b"\x00\x01garbage\r\n\r\n")
        running.get()
        running.portal.call(running.probe.release.set)
        answer = client.read_all()
        assert answer.startswith(b"HTTP/1.1 200")
        assert answer.endswith(b"done")
        assert answer.count(b"HTTP/1.1") == 1


def test_a_broken_body_is_a_400_and_the_application_sees_its_client_go(serve):
    with serve() as running:
        client = running.client()
        client.send(b"POST /disconnect HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n")
        client.send(b"5\r\nab")
        client.send(b"cde\r\nnonsense\r\n")
        assert client.read_all().startswith(b"HTTP/1.1 400")
        assert running.get() == (200, b"hello")


@pytest.mark.parametrize(
    "more",
    [
        b"cookie: " + b"c" * 9000 + b"\r\n",
        b"".join(b"x-%d: y\r\n" % number for number in range(140)),
    ],
    ids=["a long line", "many headers"],
)
def test_a_handshake_above_the_bounds_of_the_library_is_a_431(serve, more):
    with serve() as running:
        client = running.client()
        client.send(
            b"GET / HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
            b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            + more
            + b"\r\n"
        )
        assert client.read_all().startswith(b"HTTP/1.1 431")


def test_a_message_above_the_limit_closes_its_socket_with_1009(serve):
    with serve(websocket_limit=100) as running:
        client = running.client()
        client.upgrade()
        client.send_frame(b"x" * 101)
        opcode, payload = client.read_frame()
        assert (opcode, payload[:2]) == (8, struct.pack("!H", 1009))
        assert running.get() == (200, b"hello")


def test_an_open_websocket_is_pinged_and_one_that_does_not_answer_is_closed(serve):
    with serve(websocket_ping=0.05, websocket_pong=0.1) as running:
        client = running.client()
        client.upgrade()
        opcode, payload = client.read_frame()
        assert (opcode, payload[:2]) == (8, struct.pack("!H", 1011))
        assert running.probe.disconnected.wait(5)


def test_a_client_that_does_not_answer_a_goodbye_holds_up_a_stop_only_for_seconds(serve):
    with serve() as running:
        client = running.client()
        client.upgrade()
        running.begin_stop()
        opcode, payload = client.read_frame()
        assert (opcode, payload[:2]) == (8, struct.pack("!H", 1012))
        assert client.read_frame()[0] == -1


def test_requests_that_come_ahead_of_their_time_wait_unparsed(serve):
    count = 20_000
    with serve() as running:
        client = running.client()
        client.send(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n")
        assert running.probe.entered.wait(5)
        sending = Thread(target=client.send, args=(REQUEST * count,))
        sending.start()
        running.get()  # what came meanwhile was looked at
        assert running.portal.call(_longest_pipeline) * len(REQUEST) <= 8192 + len(REQUEST)
        running.portal.call(running.probe.release.set)
        client.read_until(b"done")
        for _ in range(count):
            client.read_until(b"\r\n\r\n")
            client.read(5)
        sending.join()
        assert len(running.probe.scopes) == count + 2


def test_while_the_last_of_the_pipelined_requests_runs_the_connection_is_read_again(serve):
    with serve() as running:
        client = running.client()
        client.send(REQUEST + b"GET /events HTTP/1.1\r\nhost: a\r\n\r\n")
        client.read_until(b"data: first")
        (connection,) = running.portal.call(_protocols)
        assert not connection.flow.read_paused


def test_a_connection_whose_answer_was_given_up_is_aborted_though_its_client_reads_nothing(serve):
    with serve() as running:
        client = running.client()
        client.send(b"GET /flood HTTP/1.1\r\nhost: a\r\n\r\n")
        while running.portal.call(_is_flowing):
            pass
        running.portal.call(_cancel_requests)
        deadline = time.monotonic() + 5
        while running.portal.call(_protocols):
            assert time.monotonic() < deadline


class Answering(Probe):
    """Answers `/answer` with the messages that it was given."""

    messages: tuple[dict, ...] = ()

    async def _answer(self, receive, send):
        for message in self.messages:
            await send(message)


@pytest.fixture
def answers(serve, monkeypatch):
    """Return a function that gives what a client gets for the messages of an application."""

    def ask(*messages, method=b"GET", version=b"1.1"):
        monkeypatch.setattr("pegboard.testing._running_server.Probe", Answering)
        monkeypatch.setattr(Answering, "messages", messages)
        with serve() as running:
            client = running.client()
            client.send(method + b" /answer HTTP/" + version + b"\r\nhost: a\r\n")
            client.send(b"connection: close\r\n\r\n")
            return client.read_all()

    return ask


def head(*headers, status=200):
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(data, *, more=False):
    return {"type": "http.response.body", "body": data, "more_body": more}


def test_http_1_0_gets_no_transfer_coding(answers):
    answer = answers(head(), body(b"ab", more=True), body(b"c"), version=b"1.0")
    assert b"transfer-encoding" not in answer
    assert answer.endswith(b"\r\n\r\nabc")


@pytest.mark.parametrize(
    "second", [(b"content-length", b"5"), (b"transfer-encoding", b"gzip, chunked")]
)
def test_an_answer_whose_length_is_ambiguous_is_a_500(answers, second):
    answer = answers(head((b"content-length", b"2"), second), body(b"ab"))
    assert answer.startswith(b"HTTP/1.1 500")


def test_an_application_that_fails_before_its_first_byte_is_a_500(serve, monkeypatch):
    class Failing(Probe):
        async def _failing(self, receive, send):
            await send(head((b"content-length", b"4")))
            raise RuntimeError

    monkeypatch.setattr("pegboard.testing._running_server.Probe", Failing)
    with serve() as running:
        client = running.client()
        client.send(b"GET /failing HTTP/1.1\r\nhost: a\r\n\r\n")
        assert client.read_all().startswith(b"HTTP/1.1 500")


def test_a_client_that_waits_for_the_head_of_the_answer_gets_it(serve, monkeypatch):
    class Early(Probe):
        async def _early(self, receive, send):
            await send(head((b"content-length", b"2")))
            await send(body((await receive())["body"]))

    monkeypatch.setattr("pegboard.testing._running_server.Probe", Early)
    with serve() as running:
        client = running.client()
        client.send(b"POST /early HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n")
        client.send(b"content-length: 2\r\n\r\n")
        assert client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 200")
        client.send(b"ab")
        assert client.read(2) == b"ab"


def test_a_broken_body_that_waits_its_turn_does_not_break_the_answer_before_it(serve, caplog):
    broken = b"POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n"
    with serve() as running:
        client = running.client()
        client.send(b"GET /slow HTTP/1.1\r\nhost: a\r\n\r\n")
        assert running.probe.entered.wait(5)
        client.send(REQUEST + broken)
        assert running.get() == (200, b"hello")
        running.portal.call(running.probe.release.set)
        answer = client.read_all()
    assert answer.count(b"HTTP/1.1 200") == answer.count(b"HTTP/1.1") == 2
    assert answer.endswith(b"hello")
    assert "Cannot call write" not in caplog.text


def test_a_body_that_comes_after_its_answer_gets_no_second_one(serve, monkeypatch):
    class Hasty(Probe):
        async def _hasty(self, receive, send):
            await send(head((b"content-length", b"4")))
            await send(body(b"full"))

    monkeypatch.setattr("pegboard.testing._running_server.Probe", Hasty)
    with serve(header_timeout=0.2) as running:
        client = running.client()
        client.send(b"POST /hasty HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n")
        first = client.read_until(b"full")
        client.send(b"1")
        assert first.startswith(b"HTTP/1.1 200")
        assert client.read_all() == b""


def test_a_small_answer_leaves_in_one_piece(serve):
    with serve() as running:
        client = running.client()
        for _ in range(20):
            client.send(REQUEST)
            assert client.read_some().endswith(b"\r\n\r\nhello")


def test_headers_may_be_lists_and_are_sent_in_small_letters(answers):
    answer = answers(head([b"Content-Length", bytearray(b"2")]), body(b"ab"))
    assert b"\r\ncontent-length: 2\r\n" in answer
    assert answer.endswith(b"\r\n\r\nab")


@pytest.mark.parametrize("field", [(b"x", b"a\r\ny: b"), (b"x\r\ny", b""), (b"x", b"\0")])
@pytest.mark.parametrize("more", [(), ((b"a", b"b"), (b"c", b"d"))])
def test_a_header_that_breaks_out_of_its_line_is_a_500(answers, field, more):
    assert answers(head(field, *more), body(b"")).startswith(b"HTTP/1.1 500")


def test_a_body_in_parts_follows_its_head(answers):
    parts = [b"a" * 40_000, b"b" * 70_000, b""]
    size = b"%d" % sum(map(len, parts))
    more = [body(part, more=True) for part in parts]
    answer = answers(head((b"content-length", size)), *more, body(b""))
    assert answer.partition(b"\r\n\r\n")[2] == b"".join(parts)


def test_a_large_body_is_not_copied_to_its_head(answers):
    answer = answers(head((b"content-length", b"200000")), body(b"x" * 200_000))
    assert answer.partition(b"\r\n\r\n")[2] == b"x" * 200_000


def test_a_body_that_is_longer_than_announced_is_a_500(answers):
    answer = answers(head((b"content-length", b"1")), body(b"ab"))
    assert answer.startswith(b"HTTP/1.1 500")


def test_a_body_that_is_shorter_than_announced_never_looks_whole(answers):
    answer = answers(head((b"content-length", b"3")), body(b"ab"))
    assert b"\r\ncontent-length: 3\r\n" in answer
    assert answer.endswith(b"\r\n\r\nab")


@pytest.mark.parametrize("status", [204, 304])
def test_what_has_no_body_has_none(answers, status):
    answer = answers(head((b"content-length", b"7"), status=status), body(b"ignored"))
    assert answer.endswith(b"\r\n\r\n")


def test_the_answer_to_a_head_request_ends_with_its_head(answers):
    answer = answers(head((b"content-length", b"7")), body(b"ignored"), method=b"HEAD")
    assert answer.endswith(b"\r\n\r\n")
    assert b"content-length: 7\r\n" in answer


@pytest.mark.parametrize(
    "messages",
    [
        (body(b"a"),),
        (head(), head()),
        (head((b"content-length", b"1")), body(b"a"), body(b"b")),
    ],
)
def test_a_message_out_of_turn_is_an_error_of_the_application(answers, messages, caplog):
    answers(*messages)
    assert "unexpected message" in caplog.text


async def _protocols():
    gc.collect()
    found = [each for each in gc.get_objects() if isinstance(each, GuardedProtocol)]
    return [each for each in found if each in each.connections]


async def _longest_pipeline():
    return max(len(each.pipeline) for each in await _protocols())


async def _is_flowing():
    return not any(each.flow.write_paused for each in await _protocols())


async def _cancel_requests():
    for each in await _protocols():
        for task in each.tasks:
            task.cancel()

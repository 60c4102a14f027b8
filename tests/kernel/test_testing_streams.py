"""The clients for event streams and WebSockets."""

import anyio
import pytest

from pegboard.testing import (
    EventParser,
    EventStreamClient,
    WebSocketClient,
    WebSocketClosed,
    WebSocketRefused,
)


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: a\n\n", [("message", "a", "")]),
        (b"data:a\rdata: b\r\r", [("message", "a\nb", "")]),
        (b"\xef\xbb\xbfevent: x\r\ndata:  y\r\n\r\n", [("x", " y", "")]),
        (b"id: 1\ndata\n\ndata: z\n\n", [("message", "", "1"), ("message", "z", "1")]),
        (b"id: a\0b\ndata: z\n\n", [("message", "z", "")]),
        (b": hello\nevent: lost\n\ndata: z\n\n", [("message", "z", "")]),
        (b"data: incomplete\n", []),
        (b"data: a: b\nother: c\n\n", [("message", "a: b", "")]),
        ("data: \u00e4\n\n".encode(), [("message", "\u00e4", "")]),
    ],
)
def test_events_are_parsed_as_the_standard_says_wherever_the_parts_end(stream, expected):
    for size in (1, len(stream)):
        parser = EventParser()
        parts = [stream[start : start + size] for start in range(0, len(stream), size)]
        events = [event for part in parts for event in parser.feed(part)]
        assert [(each.event, each.data, each.id) for each in events] == expected


def test_retry_and_comments_are_kept_aside():
    parser = EventParser()
    assert not list(parser.feed(b":beat\nretry: 250\nretry: soon\n\n"))
    assert (parser.retry, parser.comments) == (250, ["beat"])


@pytest.mark.anyio
async def test_an_event_stream_is_read_as_it_comes_and_left():
    gone = anyio.Event()

    async def application(scope, receive, send):
        assert (b"last-event-id", b"7") in scope["headers"]
        headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b'data: {"n": 8}\n\n', "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        gone.set()

    async with EventStreamClient(application).connect("/", last_event_id="7") as events:
        assert (await anext(events)).json() == {"n": 8}
    assert gone.is_set()


@pytest.mark.anyio
async def test_an_answer_that_is_no_event_stream_fails_the_test():
    async def application(scope, receive, send):
        await send({"type": "http.response.start", "status": 404, "headers": []})
        await send({"type": "http.response.body", "body": b"not here"})

    with pytest.raises(AssertionError, match="not here"):
        async with EventStreamClient(application).connect("/"):
            pass


async def parrot(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept", "subprotocol": next(iter(scope["subprotocols"]), None)})
    while (message := await receive())["type"] == "websocket.receive":
        if message["text"] == "bye":
            await send({"type": "websocket.close", "code": 4000, "reason": "as you wish"})
            return
        await send({**message, "type": "websocket.send"})


@pytest.mark.anyio
async def test_text_bytes_and_json_go_there_and_back():
    async with WebSocketClient(parrot).connect("/", subprotocols=["v1"]) as socket:
        assert socket.subprotocol == "v1"
        await socket.send_text("hi")
        await socket.send_bytes(b"\0")
        await socket.send_json({"a": 1})
        assert await socket.receive() == "hi"
        assert await socket.receive() == b"\0"
        assert await socket.receive_json() == {"a": 1}


@pytest.mark.anyio
async def test_a_close_of_the_application_is_told_with_code_and_reason():
    async with WebSocketClient(parrot).connect("/") as socket:
        await socket.send_text("bye")
        with pytest.raises(WebSocketClosed) as closed:
            await socket.receive()
        assert (closed.value.code, closed.value.reason) == (4000, "as you wish")
        with pytest.raises(WebSocketClosed):
            await socket.send_text("still there?")


@pytest.mark.anyio
async def test_a_close_of_the_client_reaches_the_application():
    seen = []

    async def application(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        seen.append(await receive())

    async with WebSocketClient(application).connect("/") as socket:
        await socket.close(3001, "enough")
    assert seen == [{"type": "websocket.disconnect", "code": 3001, "reason": "enough"}]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("messages", "code", "status", "body"),
    [
        ([{"type": "websocket.close", "code": 1008}], 1008, 403, b""),
        (
            [
                {"type": "websocket.http.response.start", "status": 401, "headers": []},
                {"type": "websocket.http.response.body", "body": b"who?"},
            ],
            1006,
            401,
            b"who?",
        ),
        ([], 1006, 403, b""),
    ],
)
async def test_a_refused_handshake_says_how(messages, code, status, body):
    async def application(scope, receive, send):
        await receive()
        for message in messages:
            await send(message)

    with pytest.raises(WebSocketRefused) as refused:
        async with WebSocketClient(application).connect("/"):
            pass
    assert (refused.value.code, refused.value.status, refused.value.body) == (code, status, body)


@pytest.mark.anyio
async def test_a_client_that_reads_nothing_holds_up_the_application():
    sent = []

    async def application(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        for number in range(3):
            await send({"type": "websocket.send", "text": str(number)})
            sent.append(number)
        await receive()

    async with WebSocketClient(application).connect("/", buffer=1) as socket:
        await anyio.wait_all_tasks_blocked()
        assert sent == [0]
        assert [await socket.receive() for _ in range(3)] == ["0", "1", "2"]

"""The in-process HTTP client shows an application what a server would."""

import anyio
import pytest

from pegboard.testing import ClientGone, HttpClient

pytestmark = pytest.mark.anyio


async def answer(send, body=b"", status=200, headers=(), more_body=False):
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body, "more_body": more_body})


async def read(receive):
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message["body"]
        if not message["more_body"]:
            return body
    return message["type"]


async def echo(scope, receive, send):
    body = await read(receive)
    kind = dict(scope["headers"]).get(b"content-type", b"")
    await answer(send, body, headers=[(b"content-type", kind), (b"x-query", scope["query_string"])])


async def test_a_json_body_arrives_with_its_type():
    response = await HttpClient(echo).post("/", json={"a": [1, None]})
    assert response.json() == {"a": [1, None]}
    assert response.headers.content_type == "application/json"


async def test_query_arguments_of_path_and_call_are_joined_and_encoded():
    response = await HttpClient(echo).get("/?a=1", query={"b": "ä &"})
    assert response.headers.get("x-query") == "a=1&b=%C3%A4+%26"


async def test_a_form_with_files_is_multipart_with_escaped_names():
    response = await HttpClient(echo).post(
        "/", form={"who": "Ada"}, files={"file": ('a"b.txt', b"\0data", "text/plain")}
    )
    kind, _, boundary = response.headers.content_type.partition("; boundary=")
    assert kind == "multipart/form-data"
    first, second = response.body.split(b"--" + boundary.encode() + b"\r\n")[1:]
    assert b'name="who"\r\n\r\nAda\r\n' in first
    assert b'name="file"; filename="a%22b.txt"\r\ncontent-type: text/plain\r\n\r\n\0data' in second
    assert second.endswith(b"\r\n--" + boundary.encode() + b"--\r\n")


async def test_a_slow_body_is_handed_over_chunk_by_chunk():
    go_on = anyio.Event()

    async def chunks():
        yield b"first "
        await go_on.wait()
        yield b"second"

    async def application(scope, receive, send):
        first = await receive()
        assert first == {"type": "http.request", "body": b"first ", "more_body": True}
        go_on.set()
        await answer(send, first["body"] + await read(receive))

    response = await HttpClient(application).post("/", content=chunks())
    assert response.body == b"first second"


async def test_a_client_that_hangs_up_in_its_body_is_a_disconnect():
    seen = []

    def chunks():
        yield b"begun"
        raise ClientGone

    async def application(scope, receive, send):
        seen.append(await read(receive))
        await answer(send)

    with pytest.raises(ClientGone):
        await HttpClient(application).post("/", content=chunks())
    assert seen == ["http.disconnect"]


async def test_leaving_a_stream_is_a_disconnect_that_the_application_sees():
    seen = anyio.Event()

    async def application(scope, receive, send):
        await read(receive)
        await answer(send, b"part", more_body=True)
        assert (await receive())["type"] == "http.disconnect"
        seen.set()

    async with HttpClient(application).stream("GET", "/") as response:
        parts = aiter(response)
        assert await anext(parts) == b"part"
        assert not seen.is_set()
    assert seen.is_set()


async def test_the_application_is_held_up_until_a_streamed_part_is_read():
    sent = []

    async def application(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(3):
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            sent.append(number)
        await send({"type": "http.response.body"})

    async with HttpClient(application).stream("GET", "/") as response:
        await anyio.wait_all_tasks_blocked()
        assert sent == []
        assert await response.read() == b"xxx"


async def test_an_application_that_outlives_its_client_fails_the_test(monkeypatch):
    monkeypatch.setattr("pegboard.testing._hosting.DISCONNECT_TIMEOUT", 0.01)

    async def application(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await anyio.sleep_forever()

    with pytest.raises(AssertionError, match="after its client had left"):
        async with HttpClient(application).stream("GET", "/"):
            pass


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        ([], "without a whole answer"),
        ([{"type": "http.response.body"}], "before the start"),
        ([{"type": "http.response.start", "status": 200}] * 2, "began its answer twice"),
        ([{"type": "http.response.start", "status": 200}], "without a whole answer"),
        (
            [
                {
                    "type": "http.response.start",
                    "status": 200,
                    "headers": [(b"content-length", b"2")],
                },
                {"type": "http.response.body", "body": b"long"},
            ],
            "promised 2 bytes and sent 4",
        ),
        (
            [
                {
                    "type": "http.response.start",
                    "status": 200,
                    "headers": [(b"x", b"a\r\nb: c")],
                }
            ],
            "cannot be sent",
        ),
    ],
)
async def test_what_no_server_could_send_fails_the_test(messages, complaint):
    async def application(scope, receive, send):
        for message in messages:
            await send(message)

    with pytest.raises(AssertionError, match=complaint):
        await HttpClient(application).get("/")


async def test_a_failure_of_the_application_or_of_the_block_is_raised_as_it_is():
    async def application(scope, receive, send):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await HttpClient(application).get("/")
    with pytest.raises(ZeroDivisionError):
        async with HttpClient(application).stream("GET", "/"):
            pass
    with pytest.raises(KeyError):
        async with HttpClient(echo).stream("GET", "/"):
            raise KeyError

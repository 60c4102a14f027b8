"""Streams: how items reach a client, and what happens when one of the two goes away."""

import logging
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import anyio
import pytest
from anyio import to_thread

from pegboard import App, RequestData, Result, current_app, current_request, current_session
from pegboard.errors import InputError
from pegboard.testing import EventStreamClient, HttpClient, ServerSentEvent

pytestmark = pytest.mark.anyio

START = ServerSentEvent(event="stream_start", data='{"id":"0"}')
END = ServerSentEvent(event="stream_end", data='{"id":"final"}')

SCOPE = {
    "type": "http",
    "method": "GET",
    "path": "/sse/S/run",
    "query_string": b"",
    "headers": [(b"host", b"x")],
}


@asynccontextmanager
async def serving(function: Callable[..., Any], **settings: Any) -> AsyncIterator[App]:
    config = {"plugins": {"transport_http": settings}}
    app = App("streams", plugins=["transport_http"], mods=[], config=config)
    app.export(mod_name="S", name="run", api=True)(function)
    with anyio.fail_after(20):
        async with app:
            yield app
            generation = next(iter(app.registry)).generation
            with anyio.fail_after(5):
                while generation.leases:
                    await anyio.lowlevel.checkpoint()


async def events(app: App, path: str = "/sse/S/run", **headers: str) -> list[ServerSentEvent]:
    async with EventStreamClient(app, headers=headers).connect(path) as stream:
        return [event async for event in stream]


async def agen() -> AsyncIterator[Any]:
    for n in range(3):
        await anyio.lowlevel.checkpoint()
        yield {"n": n}


def gen() -> Iterator[Any]:
    for n in range(3):
        yield {"n": n}


async def single() -> dict[str, int]:
    return {"n": 0}


SOURCES: dict[str, tuple[Callable[..., Any], int]] = {
    "async generator function": (agen, 3),
    "generator function": (gen, 3),
    "result of an async generator": (lambda: Result.sse(agen()), 3),
    "result of a generator": (lambda: Result.stream(gen()), 3),
    "result of a list": (lambda: Result.stream([{"n": n} for n in range(3)]), 3),
    "result of an iterator": (lambda: Result.stream({"n": n} for n in range(3)), 3),
    "result of a generator function": (lambda: Result.stream(gen), 3),
    "result of a single item": (lambda: Result.stream({"n": 0}), 1),
    "result of a coroutine": (lambda: Result.stream(single()), 1),
    "plain value": (single, 1),
    "plain result": (lambda: Result.ok({"n": 0}), 1),
    "bare JSON": (lambda: Result.json({"n": 0}), 1),
    "nothing to say": (lambda: Result.stream([]), 0),
}


@pytest.mark.parametrize("name", SOURCES)
async def test_everything_that_has_items_is_a_stream(name: str) -> None:
    function, count = SOURCES[name]
    async with serving(function) as app:
        items = [ServerSentEvent(data=f'{{"n":{n}}}') for n in range(count)]
        assert await events(app) == [START, *items, END]


async def test_a_text_result_is_one_event() -> None:
    async with serving(lambda: Result.html("<p>\n</p>")) as app:
        assert (await events(app))[1].data == "<p>\n</p>"


async def test_a_stream_is_one_under_api_too_and_has_the_headers_of_one() -> None:
    async with (
        serving(lambda: Result.stream(gen(), headers={"X-Own": "1", "Connection": "x"})) as app,
        HttpClient(app).stream("GET", "/api/S/run") as answer,
    ):
        assert answer.headers.content_type == "text/event-stream"
        assert answer.headers.cache_control == "no-cache"
        assert answer.headers.get("x-accel-buffering") == "no"
        assert answer.headers.get("x-own") == "1"
        assert answer.headers.connection is None
        assert (await answer.read()).endswith(b'event: stream_end\ndata: {"id":"final"}\n\n')


async def test_what_is_no_event_is_answered_as_under_api() -> None:
    async with serving(lambda: Result.redirect("/elsewhere")) as app:
        assert (await HttpClient(app).get("/sse/S/run")).status == 302
    async with serving(lambda: Result.default_user_error("no")) as app:
        answer = await HttpClient(app).get("/sse/S/run")
        assert (answer.status, answer.result().error) == (400, "InputError")


async def test_last_event_id_reaches_the_export_by_name_and_in_the_request() -> None:
    def resume(request: RequestData, last_event_id: int = 0) -> list[Any]:
        return [last_event_id, request.headers.extra_headers.get("last-event-id")]

    async with serving(resume) as app:
        assert (await events(app, **{"last-event-id": "7"}))[1].data == '[7,"7"]'
        assert (await events(app))[1].data == "[0,null]"
        assert (await events(app, "/sse/S/run?last_event_id=3"))[1].data == "[3,null]"


async def test_a_generator_runs_in_the_surroundings_of_its_call() -> None:
    async def asks() -> AsyncIterator[Any]:
        request = current_request()
        assert request is not None
        yield [request.path, current_session().user_name]

    def asks_in_a_thread() -> Iterator[Any]:
        request = current_request()
        assert request is not None
        yield [request.path, current_session().user_name]

    for function in (asks, asks_in_a_thread):
        async with serving(function) as app:
            assert (await events(app))[1].data == '["/sse/S/run","anonymous"]'


async def test_a_failure_becomes_an_event_that_tells_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def breaks() -> AsyncIterator[Any]:
        yield 1
        raise RuntimeError("swordfish")

    async with serving(breaks) as app:
        seen = await events(app)
    assert [event.event for event in seen] == ["stream_start", "message", "error", "stream_end"]
    assert "swordfish" not in seen[2].data
    assert seen[2].json()["error_id"] in caplog.text
    assert len([record for record in caplog.records if record.levelno >= logging.ERROR]) == 1


async def test_a_failure_on_purpose_tells_its_message() -> None:
    async def breaks() -> AsyncIterator[Any]:
        raise InputError("there is no such room")
        yield

    async with serving(breaks) as app:
        assert (await events(app))[1].json()["message"] == "there is no such room"


async def test_an_item_that_cannot_be_encoded_ends_the_stream_with_an_error() -> None:
    async with serving(lambda: Result.stream([1, object()])) as app:
        kinds = [event.event for event in await events(app)]
    assert kinds == ["stream_start", "message", "error", "stream_end"]


class Endless:
    """A generator that waits for ever, and a clean-up that is counted."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.cleaned = anyio.Event()

    async def items(self) -> AsyncIterator[str]:
        try:
            yield "first"
            await anyio.sleep_forever()
        finally:
            self.log.append("finally")

    async def cleanup(self) -> None:
        await anyio.lowlevel.checkpoint()
        self.log.append("cleanup")
        self.cleaned.set()

    def stream(self) -> Result[Any]:
        return Result.stream(self.items(), cleanup_func=self.cleanup)


async def test_a_client_that_leaves_ends_the_generator_and_runs_the_cleanup_once() -> None:
    endless = Endless()
    async with serving(endless.stream) as app:
        async with EventStreamClient(app).connect("/sse/S/run") as stream:
            assert (await anext(stream)).event == "stream_start"
            assert (await anext(stream)).data == "first"
        await endless.cleaned.wait()
    assert endless.log == ["finally", "cleanup"]


async def test_a_client_that_leaves_at_once_ends_it_too() -> None:
    endless = Endless()
    async with serving(endless.stream) as app:
        async with EventStreamClient(app).connect("/sse/S/run"):
            pass
        await endless.cleaned.wait()
    assert endless.log.count("cleanup") == 1


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_what_a_generator_awaits_in_its_finally_still_runs_on_asyncio() -> None:
    done = anyio.Event()

    async def careful() -> AsyncIterator[int]:
        try:
            yield 1
            await anyio.sleep_forever()
        finally:
            await anyio.sleep(0.001)
            done.set()

    async with serving(careful) as app:
        async with EventStreamClient(app).connect("/sse/S/run") as stream:
            await anext(stream)
            await anext(stream)
        assert done.is_set()


@pytest.mark.parametrize("kind", ["plain", "async", "async generator", "failing", "hanging"])
async def test_every_kind_of_cleanup_runs_once_at_the_end(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    log: list[str] = []

    def plain() -> None:
        log.append("plain")

    async def coroutine() -> None:
        log.append("async")

    async def generator() -> AsyncIterator[None]:
        yield
        log.append("async generator")

    async def failing() -> None:
        log.append("failing")
        raise RuntimeError("cannot clean up")

    async def hanging() -> None:
        log.append("hanging")
        await anyio.sleep_forever()

    cleanup: Any = {
        "plain": plain,
        "async": coroutine,
        "async generator": generator,
        "failing": failing,
        "hanging": hanging,
    }[kind]
    stream = lambda: Result.stream(gen(), cleanup_func=cleanup)  # noqa: E731
    async with serving(stream, close_timeout=0.01) as app:
        assert len(await events(app)) == 5
        answer = await HttpClient(app).head("/api/S/run")
        assert (answer.status, answer.body) == (200, b"")
    assert log == [kind, kind]
    assert bool(caplog.records) == (kind in {"failing", "hanging"})


async def test_a_cleanup_finds_a_thread_while_generators_that_block_have_all_of_theirs() -> None:
    blocked, release, cleaned = threading.Event(), threading.Event(), threading.Event()

    def blocking() -> Iterator[int]:
        blocked.set()
        release.wait(20)
        yield 1

    endless = Endless()
    both = {
        "blocking": lambda: Result.stream(blocking()),
        "other": lambda: Result.stream(endless.items(), cleanup_func=cleaned.set),
    }
    settings = {"stream_threads": 1, "close_timeout": 1.0}
    async with serving(lambda kind: both[kind](), **settings) as app:
        client = EventStreamClient(app)
        try:
            async with client.connect("/sse/S/run?kind=blocking") as stream:
                await anext(stream)
                await to_thread.run_sync(blocked.wait, 5)
                async with client.connect("/sse/S/run?kind=other") as other:
                    await anext(other)
                assert await to_thread.run_sync(cleaned.wait, 5)
                release.set()
        finally:
            release.set()


@pytest.mark.parametrize("kind", ["plain", "async"])
@pytest.mark.parametrize("steps", [1, 2])
async def test_a_stream_ends_in_the_surroundings_of_its_call(kind: str, steps: int) -> None:
    seen: list[tuple[str, App]] = []
    cleaned = threading.Event()

    def plain() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            seen.append(("finally", current_app()))

    async def asynchronous() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
        finally:
            seen.append(("finally", current_app()))

    def cleanup() -> None:
        seen.append(("cleanup", current_app()))
        cleaned.set()

    source = plain if kind == "plain" else asynchronous
    async with serving(lambda: Result.stream(source(), cleanup_func=cleanup)) as app:
        async with EventStreamClient(app).connect("/sse/S/run") as stream:
            for _ in range(steps + 1):
                await anext(stream)
        assert await to_thread.run_sync(cleaned.wait, 5)
    assert seen == [("finally", app), ("cleanup", app)]


async def test_what_a_plain_generator_sets_in_its_context_stays_until_its_end() -> None:
    variable: ContextVar[int] = ContextVar("variable", default=0)
    reset = threading.Event()

    def counting() -> Iterator[int]:
        token = variable.set(10)
        try:
            while True:
                variable.set(variable.get() + 1)
                yield variable.get()
        finally:
            variable.reset(token)
            reset.set()

    async with serving(counting) as app:
        async with EventStreamClient(app).connect("/sse/S/run") as stream:
            await anext(stream)
            assert [(await anext(stream)).data for _ in range(3)] == ["11", "12", "13"]
        assert await to_thread.run_sync(reset.wait, 5)


@pytest.mark.parametrize(
    ("settings", "status", "says"),
    [
        ({"max_streams": 1}, 503, "1 streams are open"),
        ({"max_streams_per_client": 1}, 429, "1 streams of this client are open"),
    ],
)
@pytest.mark.parametrize("path", ["/sse/S/run", "/api/S/run"])
async def test_one_stream_too_many_is_refused_and_told_when_to_come_back(
    settings: dict[str, int], status: int, says: str, path: str
) -> None:
    opened: list[Endless] = []

    def open_one() -> Result[Any]:
        opened.append(Endless())
        return opened[-1].stream()

    async with serving(open_one, retry=7.0, **settings) as app:
        async with EventStreamClient(app).connect(path) as stream:
            await anext(stream)
            refused = await HttpClient(app).get(path)
            assert (refused.status, says in refused.text) == (status, True)
            assert refused.headers.retry_after == "7"
        await opened[0].cleaned.wait()
        assert opened[1].log == ["cleanup"]
        while (await HttpClient(app).head(path)).status != 200:
            await anyio.lowlevel.checkpoint()


async def test_a_plain_generator_is_closed_where_it_stands() -> None:
    closed = anyio.Event()
    token = anyio.lowlevel.current_token()

    def ticks() -> Iterator[int]:
        try:
            yield from range(10**9)
        finally:
            anyio.from_thread.run_sync(closed.set, token=token)

    async with serving(ticks) as app:
        async with EventStreamClient(app).connect("/sse/S/run") as stream:
            for _ in range(3):
                await anext(stream)
        await closed.wait()


async def test_a_plain_generator_holds_up_nobody() -> None:
    begun, may_go_on = threading.Event(), threading.Event()
    went_on = []

    def slow() -> Iterator[int]:
        begun.set()
        went_on.append(may_go_on.wait(10))
        yield 1

    async with serving(slow) as app, anyio.create_task_group() as group:
        group.start_soon(events, app)
        while not begun.is_set():
            await anyio.sleep(0)
        may_go_on.set()
    assert went_on == [True], "the event loop stood still"


async def test_a_slow_client_holds_the_generator_back() -> None:
    made = 0

    async def fast() -> AsyncIterator[int]:
        nonlocal made
        while True:
            made += 1
            yield made

    async with (
        serving(fast) as app,
        EventStreamClient(app).connect("/sse/S/run") as stream,
    ):
        for _ in range(5):
            await anext(stream)
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        assert made < 10


async def test_a_silent_stream_is_kept_warm() -> None:
    go = anyio.Event()

    async def silent() -> AsyncIterator[int]:
        await go.wait()
        yield 1

    async with (
        serving(silent, heartbeat=0.01) as app,
        HttpClient(app).stream("GET", "/sse/S/run") as answer,
    ):
        heartbeats = 0
        async for part in answer:
            heartbeats += part == b":\n\n"
            if heartbeats == 2:
                go.set()
    assert heartbeats >= 2
    assert answer.body.endswith(b'event: stream_end\ndata: {"id":"final"}\n\n')


async def test_streams_end_with_a_word_when_the_app_stops() -> None:
    endless = Endless()
    parts: list[bytes] = []
    app = App("stop", plugins=["transport_http"], mods=[])
    app.export(mod_name="S", name="run", api=True)(endless.stream)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            waiting = anyio.Event()

            async def listen() -> None:
                async with HttpClient(app).stream("GET", "/sse/S/run") as answer:
                    async for part in answer:
                        parts.append(part)
                        if b"first" in part:
                            waiting.set()

            async with app:
                group.start_soon(listen)
                await waiting.wait()
    stopped = b'event: stream_end\ndata: {"id":"final","stopping":true}\n\n'
    assert parts[-2:] == [b"retry: 3000\n\n", stopped]
    assert endless.log == ["finally", "cleanup"]


async def test_other_streams_travel_as_the_bytes_that_they_are() -> None:
    def chunks() -> Iterator[Any]:
        yield b"a"
        yield bytearray(b"b")
        yield "ü"
        yield {"n": 1}

    async with serving(lambda: Result.stream(chunks(), content_type="application/x-own")) as app:
        answer = await HttpClient(app).get("/api/S/run")
        assert (answer.body, answer.headers.content_type) == (
            'abü{"n":1}\n'.encode(),
            "application/x-own",
        )
        assert (await HttpClient(app).get("/sse/S/run")).body == answer.body


async def test_a_file_stream_is_a_download() -> None:
    async with serving(lambda: Result.file_stream(iter([b"ab", b"c"]), "ä.bin", size=3)) as app:
        answer = await HttpClient(app).get("/api/S/run")
        assert (answer.body, answer.headers.content_length) == (b"abc", "3")
        assert answer.headers.content_disposition == (
            "attachment; filename=\"_.bin\"; filename*=UTF-8''%C3%A4.bin"
        )


@pytest.mark.parametrize(("chunks", "sent"), [([b"ab"], b"ab"), ([b"ab", b"cd"], b"ab")])
async def test_a_download_of_another_length_than_promised_is_broken_off(
    chunks: list[bytes], sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(lambda: Result.file_stream(iter(chunks), "x.bin", size=3)) as app:
        body = b""
        with pytest.raises(AssertionError, match="without a whole answer"):
            async with HttpClient(app).stream("GET", "/api/S/run") as answer:
                body = await answer.read()
        assert body in {b"", sent}
    assert "announced" in caplog.text


async def test_a_download_that_fails_before_its_first_byte_is_an_error() -> None:
    def breaks() -> Iterator[bytes]:
        raise RuntimeError("swordfish")
        yield b""

    async with serving(lambda: Result.file_stream(breaks(), "x.bin")) as app:
        answer = await HttpClient(app).get("/api/S/run")
    assert answer.status == 500
    assert "swordfish" not in answer.text


async def test_a_client_that_stops_reading_is_let_go() -> None:
    endless = Endless()
    async with serving(endless.stream, send_timeout=0.02, heartbeat=0.01) as app:

        async def receive() -> Any:
            await anyio.sleep_forever()

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body":
                await anyio.sleep_forever()

        await app.asgi()(SCOPE, receive, send)
    assert endless.log.count("cleanup") == 1


@pytest.mark.parametrize("at", [0, 1, 2])
async def test_a_server_that_says_that_the_client_left_is_no_failure(
    at: int, caplog: pytest.LogCaptureFixture
) -> None:
    endless, sent = Endless(), []
    async with serving(endless.stream) as app:

        async def receive() -> Any:
            await anyio.sleep_forever()

        async def send(message: Any) -> None:
            sent.append(message)
            if len(sent) > at:
                raise OSError("the client is gone")

        with caplog.at_level(logging.WARNING):
            await app.asgi()(SCOPE, receive, send)
    assert len(sent) == at + 1
    assert caplog.records == []
    assert endless.log.count("cleanup") == 1


@pytest.mark.parametrize("held", ["http.response.start", "end"])
async def test_a_heartbeat_comes_neither_before_the_head_nor_after_the_end(held: str) -> None:
    def one() -> Iterator[str]:
        yield "only"

    sent: list[str] = []
    ticks, release = 0, anyio.Event()
    async with serving(one, heartbeat=0.001) as app:

        async def receive() -> Any:
            nonlocal ticks
            ticks += sent[-1:] == [held]
            if ticks > 3:
                release.set()
            await anyio.sleep_forever()

        async def send(message: Any) -> None:
            is_end = message["type"] == "http.response.body" and not message.get("more_body")
            sent.append("end" if is_end else message["type"])
            if sent[-1] == held:
                await release.wait()

        await app.asgi()(SCOPE, receive, send)
    assert sent.count("http.response.start") == sent.count("end") == 1
    assert (sent[0], sent[-1]) == ("http.response.start", "end")
    assert ticks > 3


async def test_a_stalled_connection_is_dropped_where_the_server_can() -> None:
    endless, sent = Endless(), []
    async with serving(endless.stream, send_timeout=0.02) as app:

        async def receive() -> Any:
            await anyio.sleep_forever()

        async def send(message: Any) -> None:
            sent.append(message["type"])
            if message["type"] == "http.response.body":
                await anyio.sleep_forever()

        await app.asgi()({**SCOPE, "extensions": {"pegboard.abort": {}}}, receive, send)
    assert sent == ["http.response.start", "http.response.body", "pegboard.abort"]

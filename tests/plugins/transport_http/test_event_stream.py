"""The frames of event streams, read back by the rules that browsers follow."""

from typing import Any

import pytest

from pegboard import Result
from pegboard.testing import EventParser, ServerSentEvent
from pegboard_transport_http._event_stream import STREAM_START, error_frame, frame, retry_frame


def read(item: Any) -> list[ServerSentEvent]:
    return EventParser().feed(STREAM_START + frame(item))[1:]


@pytest.mark.parametrize(
    ("item", "data"),
    [
        ("plain", "plain"),
        ("", ""),
        (" leading space", " leading space"),
        ("a\nb", "a\nb"),
        ("a\r\nb\rc\n", "a\nb\nc\n"),
        ("a\u2028b\x0bc\x85d", "a\u2028b\x0bc\x85d"),
        ("\ufeffmark", "\ufeffmark"),
        ("x\0y", "x\0y"),
        (":colon", ":colon"),
        ("data: not ended", "data: not ended"),
        ("data:image/png;base64,AA==", "data:image/png;base64,AA=="),
        ("grüße 🙂", "grüße 🙂"),
        ("lone \ud800", "lone ?"),
        ({"n": 1}, '{"n":1}'),
        ([1, 2], "[1,2]"),
        (5, "5"),
        (True, "true"),
        (None, "null"),
        ({"id": 5, "data": "x"}, '{"id":5,"data":"x"}'),
    ],
)
def test_an_item_is_the_data_of_one_message(item: Any, data: str) -> None:
    assert read(item) == [ServerSentEvent(data=data)]


@pytest.mark.parametrize(
    ("item", "event"),
    [
        ({"event": "tick", "data": {"n": 1}}, ServerSentEvent(event="tick", data='{"n":1}')),
        ({"event": "tick", "data": "a\r\nb"}, ServerSentEvent(event="tick", data="a\nb")),
        ({"event": "tick", "data": "x", "id": 7}, ServerSentEvent(event="tick", data="x", id="7")),
        ({"event": "tick"}, ServerSentEvent(event="tick", data="")),
        ({"event": "tick", "n": 1}, ServerSentEvent(event="tick", data='{"n":1}')),
        ({"event": "a\nevent: b", "data": ""}, ServerSentEvent(event="a event: b")),
        ({"event": "a\r\n\r\nb", "data": ""}, ServerSentEvent(event="a b")),
        ({"event": "t", "id": "1\ndata: x"}, ServerSentEvent(event="t", id="1 data: x")),
        ({"event": "t", "id": "1\0"}, ServerSentEvent(event="t", id="")),
        ({"event": "t", "data": b"\0"}, ServerSentEvent(event="t", data="AA==")),
    ],
)
def test_a_mapping_with_an_event_is_that_event(item: Any, event: ServerSentEvent) -> None:
    assert read(item) == [event]


def test_bytes_are_an_event_of_their_own() -> None:
    assert read(b"\0\xff") == [ServerSentEvent(event="binary", data="AP8=")]


def test_retry_is_told_in_milliseconds() -> None:
    parser = EventParser()
    parser.feed(frame({"event": "t", "retry": 1500, "data": ""}))
    assert parser.retry == 1500
    parser.feed(retry_frame(3.0))
    assert parser.retry == 3000
    assert b"retry" not in frame({"event": "t", "retry": "1\n\ndata: x"})


@pytest.mark.parametrize(
    "text", ["data: a\n\n", "event: e\r\nid: 1\r\ndata: a\r\n\r\n", ": note\n\n", "retry: 5\n\n"]
)
def test_text_that_is_an_event_already_passes_as_it_is(text: str) -> None:
    assert frame(text) == text.encode()


@pytest.mark.parametrize("text", ["data: a\n\nevil", "data: a\nevil\n\n", "data\n\n", "\n\n"])
def test_text_that_only_looks_like_an_event_does_not(text: str) -> None:
    [event] = read(text)
    assert event.data == text


def test_an_error_tells_its_message_and_id() -> None:
    result = Result.default_internal_error("internal error, id 1a", data={"error_id": "1a"})
    [event] = EventParser().feed(error_frame(result))
    assert event.event == "error"
    assert event.json() == {
        "message": "internal error, id 1a",
        "error": "InternalError",
        "error_id": "1a",
    }


@pytest.mark.parametrize(
    "text",
    ["event: step\ndata: x\n\n", "id: 9\n\n", "retry: 1\n\n", "a\n\nevent: x\ndata: y\n\n"],
)
def test_text_of_other_people_is_data_where_it_is_given_as_such(text: str) -> None:
    lines = frame({"event": "message", "data": text}).decode().split("\n")
    assert lines[0] == "event: message"
    assert lines[-2:] == ["", ""]
    assert {line.partition(":")[0] for line in lines[1:-2]} == {"data"}


@pytest.mark.parametrize(
    "text",
    ["event: step\n", "event: step", "event: a\n\ndata: b\n\n", "event: a\nother\n\n", "x: y\n\n"],
)
def test_text_that_is_not_one_whole_event_is_data(text: str) -> None:
    lines = frame(text).decode().split("\n")
    assert {line.partition(":")[0] for line in lines[:-2]} == {"data"}

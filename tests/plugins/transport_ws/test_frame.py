"""Payloads on the wire and back."""

import msgspec
import pytest

from pegboard import Result
from pegboard.errors import InputError
from pegboard_transport_ws._frame import decode, encode, exceeds


class Point(msgspec.Struct):
    x: int


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        ({"a": [1, None, "ü"]}, '{"a":[1,null,"ü"]}'),
        ("text", '"text"'),
        (None, "null"),
        (Point(1), '{"x":1}'),
        ([float("nan")], "[null]"),
    ],
)
def test_everything_but_bytes_travels_as_json_text(payload: object, text: str) -> None:
    frame = encode(payload)
    assert frame.message == {"type": "websocket.send", "text": text}
    assert frame.size == len(text.encode())


@pytest.mark.parametrize("payload", [b"\x00\xff", bytearray(b"\x00\xff"), memoryview(b"\x00\xff")])
def test_bytes_travel_as_they_are(payload: bytes) -> None:
    frame = encode(payload)
    assert frame.message == {"type": "websocket.send", "bytes": b"\x00\xff"}
    assert frame.size == 2


def test_a_result_travels_as_its_envelope() -> None:
    text = encode(Result.ok({"n": 1})).message["text"]
    assert msgspec.json.decode(text)["result"]["data"] == {"n": 1}


def circle() -> list[object]:
    endless: list[object] = []
    endless.append(endless)
    return endless


@pytest.mark.parametrize(
    "payload", [object(), {1j: 1}, "\ud800", circle()], ids=lambda each: type(each).__name__
)
def test_what_json_cannot_express_is_an_error_that_names_its_type(payload: object) -> None:
    with pytest.raises(TypeError, match=f"payload of type {type(payload).__name__}"):
        encode(payload)


@pytest.mark.parametrize("text", ["", "{", "nope", '{"a":1}{', "[" * 100_000, '"\\ud800"x', "NaN"])
def test_text_that_is_not_json_is_wrong_input(text: str) -> None:
    with pytest.raises(InputError, match="has to be JSON"):
        decode({"type": "websocket.receive", "text": text})


def test_both_kinds_of_messages_are_read() -> None:
    assert decode({"text": '{"a":1}', "bytes": None}) == {"a": 1}
    assert decode({"bytes": b"\xff"}) == b"\xff"
    assert decode({"text": None, "bytes": b""}) == b""


@pytest.mark.parametrize(
    ("message", "limit", "is_over"),
    [
        ({"text": "abcd"}, 4, False),
        ({"text": "abcde"}, 4, True),
        ({"text": "üü"}, 4, False),
        ({"text": "üüa"}, 4, True),
        ({"text": "\ud800"}, 2, True),
        ({"bytes": b"abcd"}, 4, False),
        ({"bytes": b"abcde"}, 4, True),
        ({"text": None, "bytes": b"abcde"}, 4, True),
    ],
)
def test_the_size_of_a_message_is_counted_in_bytes(
    message: dict[str, object], limit: int, is_over: bool
) -> None:
    assert exceeds(message, limit) is is_over

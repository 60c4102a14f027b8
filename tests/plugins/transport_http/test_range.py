"""Which bytes a Range header asks for."""

import pytest

from pegboard_transport_http._range import Span, parse_range
from pegboard_transport_http._refusal import RangeError


@pytest.mark.parametrize(
    ("value", "spans"),
    [
        ("bytes=0-0", [(0, 1)]),
        ("bytes=0-", [(0, 100)]),
        ("bytes=-10", [(90, 100)]),
        ("bytes=-1000", [(0, 100)]),
        ("bytes=90-1000", [(90, 100)]),
        ("Bytes = 1-2", [(1, 3)]),
        ("bytes=0-9, 20-29", [(0, 10), (20, 30)]),
        ("bytes=20-29, 0-9", [(20, 30), (0, 10)]),
        ("bytes=0-9,5-19", [(0, 20)]),
        ("bytes=0-9,10-19,50-59", [(0, 20), (50, 60)]),
        ("bytes=0-9,500-", [(0, 10)]),
        (",bytes=0-1,", []),
    ],
)
def test_ranges_are_read(value: str, spans: list[tuple[int, int]]) -> None:
    assert parse_range(value, 100) == [Span(*each) for each in spans]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=5-1",
        "lines=0-1",
        "bytes=0-1;2-3",
        "bytes=--1",
        "bytes=0x0-1",
        "bytes=٣-٤",
        "bytes=" + ",".join(f"{n}-{n}" for n in range(0, 40, 2)),
        "bytes=0-99999999999999999999999",
    ],
)
def test_a_range_that_makes_no_sense_or_too_much_trouble_is_not_heeded(value: str) -> None:
    assert parse_range(value, 100) == []


@pytest.mark.parametrize("value", ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=500-,200-"])
def test_ranges_beyond_the_end_are_an_error_that_tells_the_size(value: str) -> None:
    with pytest.raises(RangeError) as caught:
        parse_range(value, 100)
    assert (caught.value.size, caught.value.status) == (100, 416)


def test_nothing_can_be_asked_of_an_empty_file() -> None:
    with pytest.raises(RangeError):
        parse_range("bytes=0-", 0)

"""Headers with parameters: what they say, and that reading one takes no longer than it is long."""

from time import perf_counter

import pytest

from pegboard.errors import UnsupportedMediaError
from pegboard_transport_http._media_type import MediaType, parse_media_type, parse_parameters


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (None, MediaType("")),
        (b"", MediaType("")),
        (b"Text/Plain", MediaType("text/plain")),
        (b"text/plain;charset=UTF-8", MediaType("text/plain", "utf-8")),
        (b'text/plain ; a=1;; charset="latin-1" ;', MediaType("text/plain", "latin-1")),
        (b"text/plain; charset=a; charset=b", MediaType("text/plain", "a")),
        (b"text/plain; charset", MediaType("text/plain")),
        (b'text/plain; charset="never closed', MediaType("text/plain")),
        (b"text/plain; a b=c; charset=x", MediaType("text/plain")),
        (b'm/x; boundary="a;b\\"c\\\\d"', MediaType("m/x", "", 'a;b"c\\d')),
    ],
)
def test_a_content_type_is_read_as_far_as_it_makes_sense(
    value: bytes | None, found: MediaType
) -> None:
    assert parse_media_type(value) == found


def test_a_content_type_that_no_type_needs_is_refused() -> None:
    with pytest.raises(UnsupportedMediaError, match="1024 bytes"):
        parse_media_type(b"text/plain; a=" + b"x" * 1024)


@pytest.mark.parametrize(
    "piece", [b";", b'"', b";a=", b';a="', b';a="\\', b';a="b";', b"; a = b ", b" ", b"; \t"]
)
def test_reading_parameters_takes_linear_time(piece: bytes) -> None:
    value = b"text/plain;" + piece * (300_000 // len(piece))
    begun = perf_counter()
    parse_parameters(value)
    assert perf_counter() - begun < 2

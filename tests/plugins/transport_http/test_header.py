"""Response headers that are safe to send."""

import pytest

from pegboard_transport_http._header import UnsafeHeaderError, attachment, field, fields, location


@pytest.mark.parametrize("value", ["a\r\nb", "a\nb", "a\rb", "a\0b", "a\x7f", "\x1b"])
def test_a_value_with_control_characters_is_refused(value: str) -> None:
    with pytest.raises(UnsafeHeaderError):
        field("x-own", value)


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\n", "ü", "a\0"])
def test_a_name_that_is_no_token_is_refused(name: str) -> None:
    with pytest.raises(UnsafeHeaderError):
        field(name, "x")


def test_a_header_is_sent_in_lower_case_and_latin_1_or_utf_8() -> None:
    assert field("X-Own", " grüß ") == (b"x-own", b"gr\xfc\xdf")
    assert field("X-Own", "\u20ac") == (b"x-own", "\u20ac".encode())


def test_headers_about_the_transfer_are_left_out() -> None:
    assert fields({"Transfer-Encoding": "chunked", "X-A": "1", "Connection": "close"}) == [
        (b"x-a", b"1")
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("report.pdf", 'attachment; filename="report.pdf"'),
        ("a b.txt", 'attachment; filename="a b.txt"'),
        ('q".txt', "attachment; filename=\"q_.txt\"; filename*=UTF-8''q%22.txt"),
        ("../../etc/passwd", 'attachment; filename=".._.._etc_passwd"'),
        ("c:\\x.txt", 'attachment; filename="c:_x.txt"'),
        ("\u20ac.txt", "attachment; filename=\"_.txt\"; filename*=UTF-8''%E2%82%AC.txt"),
        ("a\r\nx: y", "attachment; filename=\"a__x: y\"; filename*=UTF-8''a%0D%0Ax%3A%20y"),
        ("50%.txt", "attachment; filename=\"50_.txt\"; filename*=UTF-8''50%25.txt"),
        ("\ud800", "attachment; filename=\"_\"; filename*=UTF-8''%3F"),
    ],
)
def test_a_file_name_is_data_and_never_a_header(name: str, value: str) -> None:
    assert attachment(name) == (b"content-disposition", value.encode())


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("/a?b=c&d=%20#e", b"/a?b=c&d=%20#e"),
        ("https://[::1]:80/", b"https://[::1]:80/"),
        ("/ü\r\nx: y", b"/%C3%BC%0D%0Ax:%20y"),
        ("/\0", b"/%00"),
    ],
)
def test_a_redirect_is_percent_encoded_where_it_has_to_be(url: str, sent: bytes) -> None:
    assert location(url) == (b"location", sent)

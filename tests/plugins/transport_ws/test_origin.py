"""Which pages may connect."""

import pytest

from pegboard_transport_ws._origin import is_allowed_host, is_allowed_origin


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (None, "here.example"),
        (None, None),
        ("http://here.example", "here.example"),
        ("https://here.example", "here.example"),
        ("https://here.example", "here.example:443"),
        ("http://here.example:80", "here.example"),
        ("http://HERE.example", "here.EXAMPLE"),
        ("http://127.0.0.1:5000", "127.0.0.1:5000"),
        ("http://[::1]:5000", "[::1]:5000"),
    ],
)
def test_pages_of_the_same_host_and_clients_that_are_no_browser_may(
    origin: str | None, host: str | None
) -> None:
    assert is_allowed_origin(origin, host, ())


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://there.example", "here.example"),
        ("http://here.example:8080", "here.example"),
        ("http://here.example", "here.example:8080"),
        ("http://here.example.evil.example", "here.example"),
        ("http://evil.example/here.example", "here.example"),
        ("http://here.example@evil.example", "here.example"),
        ("http://here.example", None),
        ("null", "here.example"),
        ("null", "null"),
        ("", "here.example"),
        ("", ""),
        ("file://", ""),
        ("here.example", "here.example"),
        ("http://here.example:99999", "here.example"),
        ("http://[::1", "[::1"),
    ],
)
def test_pages_of_others_may_not(origin: str, host: str | None) -> None:
    assert not is_allowed_origin(origin, host, ())


def test_origins_can_be_listed() -> None:
    allowed = ("https://there.example", "null")
    assert is_allowed_origin("https://there.example:443", "here.example", allowed)
    assert is_allowed_origin("null", "here.example", allowed)
    assert not is_allowed_origin("http://there.example", "here.example", allowed)
    assert is_allowed_origin("http://anywhere.example", "here.example", ("*",))


def test_a_page_in_clear_text_may_not_use_a_socket_over_tls_of_the_same_host() -> None:
    assert is_allowed_origin("https://here.example", "here.example", (), is_secure=True)
    assert not is_allowed_origin("http://here.example", "here.example", (), is_secure=True)
    assert not is_allowed_origin("http://here.example:443", "here.example:443", (), is_secure=True)
    listed = ("http://here.example",)
    assert is_allowed_origin("http://here.example", "here.example", listed, is_secure=True)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:5000", "127.0.0.1:5000", "[::1]:5000"])
def test_hosts_can_be_listed(host: str) -> None:
    assert is_allowed_host(host, ("Localhost", "127.0.0.1", "::1"))
    assert is_allowed_host(host, ())


@pytest.mark.parametrize("host", [None, "", "evil.example:5000", "localhost.evil.example", "[::1"])
def test_a_host_that_is_not_listed_is_refused(host: str | None) -> None:
    assert not is_allowed_host(host, ("localhost", "127.0.0.1", "::1"))

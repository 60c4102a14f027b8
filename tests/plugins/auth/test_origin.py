"""Whose page makes a browser send a cookie."""

import pytest

from pegboard_auth._origin import judge

HOST = {b"host": b"app.example"}


def fields(**values):
    return {
        **HOST,
        **{name.replace("_", "-").encode(): value.encode() for name, value in values.items()},
    }


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "WEBSOCKET", "BREW"])
@pytest.mark.parametrize(
    "sent",
    [
        fields(sec_fetch_site="cross-site"),
        fields(sec_fetch_site="same-site", origin="https://other.app.example"),
        fields(origin="https://evil.example"),
        fields(origin="null"),
        fields(origin=""),
        fields(origin="https://app.example.evil.example"),
        fields(origin="https://app.example@evil.example"),
        fields(origin="https://app.example:8443"),
        fields(origin="file://"),
        fields(origin="https://[::1"),
        fields(sec_fetch_site="something-new"),
    ],
)
def test_another_site_makes_nobody_do_anything(method, sent):
    assert judge(sent, method, is_secure=True) == "forbidden"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_another_site_reads_as_nobody(method):
    assert judge(fields(sec_fetch_site="cross-site"), method, is_secure=True) == "stranger"
    assert judge(fields(origin="https://evil.example"), method, is_secure=True) == "stranger"


@pytest.mark.parametrize("method", ["GET", "POST", "WEBSOCKET"])
@pytest.mark.parametrize(
    "sent",
    [
        fields(),
        fields(sec_fetch_site="same-origin"),
        fields(sec_fetch_site="none"),
        fields(origin="https://app.example"),
        fields(origin="https://APP.example:443"),
        fields(origin="https://admin.example", sec_fetch_site="cross-site"),
    ],
)
def test_our_own_pages_users_and_programs_may(method, sent):
    assert judge(sent, method, is_secure=True, trusted=("https://admin.example",)) == "own"


def test_a_page_that_came_without_tls_is_another_site_for_one_that_has_it():
    sent = fields(origin="http://app.example")
    assert judge(sent, "POST", is_secure=True) == "forbidden"
    assert judge(sent, "POST", is_secure=False) == "own"


def test_a_link_of_another_site_is_followed_as_nobody_unless_that_is_set():
    sent = fields(sec_fetch_site="cross-site", sec_fetch_mode="navigate")
    assert judge(sent, "GET", is_secure=True) == "stranger"
    assert judge(sent, "GET", is_secure=True, links=True) == "own"
    assert judge(sent, "POST", is_secure=True, links=True) == "forbidden"
    image = fields(sec_fetch_site="cross-site", sec_fetch_mode="no-cors")
    assert judge(image, "GET", is_secure=True, links=True) == "stranger"

"""What a request shows, what a secret and a scope look like, whom an address stands for."""

import pytest

from pegboard.errors import InputError
from pegboard_auth._credential import Source, cookie_value, find_credential, known_fields
from pegboard_auth._opaque import Opaque
from pegboard_auth._peer import network_of
from pegboard_auth._scope_rule import check_scopes, covers


def shown(*headers):
    return find_credential(known_fields(headers), b"sid")


def test_a_request_without_anything_shows_nothing():
    assert shown((b"host", b"a"), (b"accept", b"*/*")) is None
    assert shown((b"cookie", b"other=1; sidney=2")) is None
    assert shown((b"authorization", b"Basic YTpi")) is None


def test_a_key_goes_before_a_token_and_a_token_before_the_cookie():
    cookie, bearer, key = (
        (b"cookie", b"sid=c"),
        (b"authorization", b"Bearer b"),
        (b"x-api-key", b"k"),
    )
    assert shown(cookie) == (Source.COOKIE, b"c")
    assert shown(cookie, bearer) == (Source.BEARER, b"b")
    assert shown(cookie, bearer, key) == (Source.KEY, b"k")


def test_a_key_may_be_sent_as_a_bearer_token_in_any_case():
    assert shown((b"authorization", b"bEaReR pbk_1")) == (Source.KEY, b"pbk_1")


def test_cookies_of_several_lines_are_one_jar():
    assert shown((b"cookie", b"a=1"), (b"cookie", b"sid=2")) == (Source.COOKIE, b"2")


def test_only_the_exact_name_is_the_cookie():
    jar = b"xsid=1; sid2=2; sid =3;sid=4; sid=5"
    assert cookie_value(jar, b"sid") == b"4"


def test_a_credential_does_not_show_its_secret():
    assert "b" * 5 not in repr(shown((b"authorization", b"Bearer bbbbb")))


def test_a_secret_is_read_again_and_fits_what_was_kept_of_it():
    made = Opaque.make("pbk")
    again = Opaque.parse(made.text, "pbk")
    assert again == made
    assert again.fits(made.digest)
    assert not Opaque.make("pbk").fits(made.digest)
    assert made.text not in repr(made)


@pytest.mark.parametrize("kind", ["pbr", "pbl"])
def test_a_secret_of_one_kind_is_none_of_another(kind):
    assert Opaque.parse(Opaque.make("pbk").text, kind) is None


@pytest.mark.parametrize("text", ["", "pbk_", "pbk_a_b", "pbk_" + "0" * 18 + "_" + "x" * 42])
def test_what_is_no_secret_is_none(text):
    assert Opaque.parse(text, "pbk") is None


@pytest.mark.parametrize(
    ("path", "covered"),
    [
        ("/api/Board/read", True),
        ("/sse/Board/read", True),
        ("/ws/Board/read", True),
        ("/api/Board/write", False),
        ("/api/Team/anything", True),
        ("/api/Board/read/", False),
        ("//api/Board/read", False),
        ("/auth/account", False),
        ("/mcp/Board/read", False),
        ("/", False),
    ],
)
def test_a_key_calls_what_its_scopes_name_and_nothing_else(path, covered):
    assert covers(("Board.read", "Team.*"), path) is covered


@pytest.mark.parametrize("scope", ["", "Board", "*", "*.*", "Board.", ".read", "a b.c", "a/b.c"])
def test_what_is_no_scope_is_refused(scope):
    with pytest.raises(InputError, match="scope"):
        check_scopes([scope])


def test_neighbours_of_an_ipv6_network_are_one_client():
    assert network_of("2001:db8:1:2::3") == network_of("2001:db8:1:2:ffff::9")
    assert network_of("2001:db8:1:2::3") != network_of("2001:db8:1:3::3")
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1") == "192.0.2.1"
    assert network_of("fe80::1%eth0") == "fe80::"
    assert network_of("unix") == "unix"

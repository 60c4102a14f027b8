"""Request heads that are refused before anything else looks at them."""

from typing import Any

import pytest

from pegboard import App
from pegboard.errors import ForbiddenError
from pegboard_transport_http._head import HOSTS, HeadCheck, check_path
from pegboard_transport_http._refusal import MalformedRequestError

HOST = (b"host", b"example.org")


def scope(*headers: tuple[bytes, bytes], version: str = "1.1") -> dict[str, Any]:
    return {"type": "http", "http_version": version, "headers": list(headers)}


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"host", b"")],
        [(b"host", b"a b")],
        [(b"host", b"a/b")],
        [(b"host", b"user@a")],
        [(b"host", b"a:80:80")],
        [(b"host", b"a\0")],
        [HOST, HOST],
        [HOST, (b"host", b"other")],
        [HOST, (b"content-length", b"1"), (b"transfer-encoding", b"chunked")],
        [HOST, (b"content-length", b"1"), (b"content-length", b"1")],
        [HOST, (b"content-length", b"+1")],
        [HOST, (b"content-length", b"1, 1")],
        [HOST, (b"content-length", b"0x1")],
        [HOST, (b"content-length", b"")],
        [HOST, (b"content-length", b"9" * 30)],
        [HOST, (b"content-length", b"\xd9\xa1")],
        [HOST, (b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"identity")],
        [HOST, (b"content-type", b"a/b"), (b"content-type", b"application/json")],
    ],
)
@pytest.mark.parametrize("is_warm", [False, True])
def test_an_ambiguous_or_malformed_head_is_refused(
    headers: list[tuple[bytes, bytes]], is_warm: bool
) -> None:
    check = HeadCheck()
    if is_warm:
        check.fields(scope(HOST))
    with pytest.raises(MalformedRequestError):
        check.fields(scope(*headers))


LISTED = ("Example.org", "[::1]", "127.0.0.1")


@pytest.mark.parametrize(
    "host", [b"example.org", b"EXAMPLE.ORG:8080", b"[::1]:80", b"[::1]", b"127.0.0.1:5000"]
)
def test_a_listed_host_passes(host: bytes) -> None:
    check = HeadCheck(LISTED)
    for _ in range(2):
        assert check.fields(scope((b"host", host)))[b"host"] == host


@pytest.mark.parametrize(
    "host", [b"evil.example", b"sub.example.org", b"example.org.", b"[::2]", b"example.org%00"]
)
def test_a_host_that_is_not_listed_is_refused_again_and_again(host: bytes) -> None:
    check = HeadCheck(LISTED)
    for _ in range(2):
        with pytest.raises(ForbiddenError, match="allowed_hosts"):
            check.fields(scope((b"host", host)))


def test_a_list_of_hosts_wants_one() -> None:
    with pytest.raises(ForbiddenError, match="without a Host header"):
        HeadCheck(LISTED).fields(scope(version="1.0"))


@pytest.mark.parametrize(
    "host",
    [b"example.org", b"localhost:5000", b"[::1]:80", b"127.0.0.1", b"xn--mnchen-3ya.de", b"a:"],
)
def test_a_good_host_passes_again_and_again(host: bytes) -> None:
    check = HeadCheck()
    for _ in range(2):
        assert check.fields(scope((b"host", host)))[b"host"] == host


def test_other_headers_may_be_repeated() -> None:
    cookies = [(b"cookie", b"a=1"), (b"cookie", b"b=2")]
    assert HeadCheck().fields(scope(HOST, *cookies))[b"host"] == b"example.org"


def test_http_1_0_needs_no_host() -> None:
    assert HeadCheck().fields(scope(version="1.0")) == {}


def test_the_hosts_that_are_remembered_are_bounded() -> None:
    check = HeadCheck()
    for number in range(3 * HOSTS):
        check.fields(scope((b"host", b"h%d" % number)))
    assert len(check._hosts) <= HOSTS


@pytest.mark.parametrize("path", ["/api/\0", "/\n", "/\x7f", "/\x1b[0m"])
def test_control_characters_in_a_path_are_refused(path: str) -> None:
    with pytest.raises(MalformedRequestError):
        check_path(path)


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/api/M/f", "/sse/M/f", "/api/none\n", "/", "/docs\0"])
async def test_a_refused_request_closes_its_connection(path: str) -> None:
    app = App("heads", plugins=["transport_http"], mods=[])

    @app.export(mod_name="M", api=True)
    async def f() -> None:
        return None

    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    doubtful = [HOST, (b"content-length", b"1"), (b"transfer-encoding", b"chunked")]
    async with app:
        whole = {**scope(*doubtful), "method": "GET", "path": path, "query_string": b""}
        await app.asgi()(whole, receive, send)
    assert sent[0]["status"] == 400
    assert (b"connection", b"close") in sent[0]["headers"]
    assert b'"error":"InputError"' in sent[1]["body"]

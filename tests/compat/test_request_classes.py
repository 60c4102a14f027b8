"""Headers, requests and sessions, with all the names that the documents have for them."""

import pytest

from pegboard import ANONYMOUS, Headers, Request, RequestData, Session

TYPED = [
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "accept-ranges",
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "access-control-request-headers",
    "access-control-request-method",
    "age",
    "allow",
    "alt-svc",
    "authorization",
    "cache-control",
    "clear-site-data",
    "connection",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-range",
    "content-security-policy",
    "content-security-policy-report-only",
    "content-type",
    "cookie",
    "cross-origin-embedder-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "date",
    "device-memory",
    "digest",
    "dnt",
    "dpr",
    "etag",
    "expect",
    "expires",
    "feature-policy",
    "forwarded",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "large-allocation",
    "last-modified",
    "link",
    "location",
    "max-forwards",
    "origin",
    "pragma",
    "proxy-authenticate",
    "proxy-authorization",
    "public-key-pins",
    "public-key-pins-report-only",
    "range",
    "referer",
    "referrer-policy",
    "retry-after",
    "save-data",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-fetch-user",
    "sec-websocket-accept",
    "sec-websocket-extensions",
    "sec-websocket-key",
    "sec-websocket-protocol",
    "sec-websocket-version",
    "server",
    "server-timing",
    "service-worker-allowed",
    "set-cookie",
    "sourcemap",
    "strict-transport-security",
    "te",
    "timing-allow-origin",
    "tk",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "upgrade-insecure-requests",
    "user-agent",
    "vary",
    "via",
    "warning",
    "www-authenticate",
    "x-content-type-options",
    "x-dns-prefetch-control",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-frame-options",
    "x-xss-protection",
    "sec-ch-ua",
    "sec-ch-ua-mobile",
    "sec-ch-ua-platform",
    "sec-ch-ua-arch",
    "sec-ch-ua-bitness",
    "sec-ch-ua-full-version",
    "sec-ch-ua-full-version-list",
    "sec-ch-ua-platform-version",
    "hx-boosted",
    "hx-current-url",
    "hx-history-restore-request",
    "hx-prompt",
    "hx-request",
    "hx-target",
    "hx-trigger",
    "hx-trigger-name",
]


def test_there_are_117_typed_headers():
    assert len(TYPED) == len(set(TYPED)) == 117


@pytest.mark.parametrize("name", TYPED)
def test_a_typed_header_is_an_attribute_in_lower_case_with_underscores(name):
    attribute = "from_header" if name == "from" else name.replace("-", "_")
    headers = Headers({name.title(): "value"})
    assert getattr(headers, attribute) == "value"
    assert getattr(Headers(), attribute) is None
    assert headers.extra_headers == {}
    assert headers.get(name.upper()) == "value"


def test_headers_are_read_by_their_names_too():
    headers = Headers({"Content-Type": "text/plain", "X-A": "1"})
    assert headers["CONTENT-TYPE"] == "text/plain"
    assert list(headers) == ["content-type", "x-a"]
    with pytest.raises(KeyError):
        headers["x-b"]


def test_all_others_are_extra_headers():
    headers = Headers([("X-Custom-Header", "a"), ("Host", "b")])
    assert headers.extra_headers == {"x-custom-header": "a"}
    assert headers.to_dict() == {"x-custom-header": "a", "host": "b"}
    with pytest.raises(AttributeError, match="extra_headers"):
        _ = headers.x_custom_header


def test_headers_that_come_twice_are_joined_as_http_says():
    headers = Headers([("Accept", "a"), ("accept", "b"), ("cookie", "x=1"), ("Cookie", "y=2")])
    assert (headers.accept, headers.cookie) == ("a, b", "x=1; y=2")


SESSION = {
    "SiID": "0x1",
    "level": 5,
    "spec": "app",
    "user_name": "ada",
    "user_id": "7",
    "session_id": "s",
    "cloudm_user_id": "c",
    "validated": True,
    "anonymous": False,
}


def test_a_session_of_nobody_is_anonymous_and_may_do_what_anyone_may():
    session = Session()
    assert session == ANONYMOUS
    assert (session.SiID, session.spec, session.user_name) == ("#0", "app", "anonymous")
    assert (session.valid, session.is_authenticated, session.is_admin) == (False, False, False)
    assert (session.anonymous, session.validated, session.level) == (True, False, 0)


def test_what_a_session_does_not_know_is_extra_data():
    values = {**SESSION, "theme": "dark", "extra": {"a": 1}, "extra_data": {"b": 2}}
    session = Session.from_dict(values)
    assert session.extra_data == {"theme": "dark", "a": 1, "b": 2}
    assert (session.get("theme"), session.get("level"), session.get("no", 3)) == ("dark", 5, 3)
    assert session.to_dict() == {**SESSION, "extra_data": {"theme": "dark", "a": 1, "b": 2}}
    assert Session.from_dict(session.to_dict()) == session


@pytest.mark.parametrize(
    ("changes", "valid", "authenticated", "admin"),
    [
        ({}, True, True, False),
        ({"validated": False}, True, False, False),
        ({"validated": False, "level": 0}, False, False, False),
        ({"anonymous": True}, True, False, False),
        ({"user_id": ""}, True, False, False),
        ({"level": 10}, True, True, True),
        ({"level": -1}, True, True, False),
    ],
)
def test_who_is_valid_authenticated_and_administrator(changes, valid, authenticated, admin):
    session = Session.from_dict({**SESSION, **changes})
    assert (session.valid, session.is_authenticated, session.is_admin) == (
        valid,
        authenticated,
        admin,
    )


def test_a_request_is_built_from_a_dict_and_back():
    values = {
        "request": {
            "content_type": "application/json",
            "headers": {"user-agent": "x", "x-own": "y"},
            "method": "POST",
            "path": "/api/M/f",
            "query_params": {"a": "1"},
            "form_data": {"f": "2"},
            "body": {"b": 3},
        },
        "session": {**SESSION, "extra_data": {}},
        "session_id": "s",
    }
    request = RequestData.from_dict(values)
    assert (request.method, request.path, request.body) == ("POST", "/api/M/f", {"b": 3})
    assert (request.query_params, request.form_data) == ({"a": "1"}, {"f": "2"})
    assert (request.headers.user_agent, request.headers.extra_headers) == ("x", {"x-own": "y"})
    assert (request.session.user_name, request.session_id) == ("ada", "s")
    assert request.to_dict() == values


def test_an_absent_form_and_body_are_left_out():
    fields = RequestData.from_dict({}).to_dict()["request"]
    assert fields == {
        "content_type": "",
        "headers": {},
        "method": "GET",
        "path": "/",
        "query_params": {},
    }


def test_attributes_of_the_request_are_those_of_its_data():
    request = RequestData(Request(path="/x"))
    assert (request.path, request.session) == ("/x", ANONYMOUS)
    with pytest.raises(AttributeError):
        _ = request.nothing


def test_there_is_a_sample_to_try_things_with():
    sample = RequestData.moc()
    assert sample.path.startswith("/api/")
    assert RequestData.from_dict(sample.to_dict()).to_dict() == sample.to_dict()

"""Conditions of requests, against one version of a file."""

import pytest

from pegboard_transport_http._condition import Validators, allows_range, judge

FILE = Validators('"v2"', 1_700_000_000)
SAME, BEFORE, AFTER = (
    "Tue, 14 Nov 2023 22:13:20 GMT",
    "Tue, 14 Nov 2023 22:13:19 GMT",
    "Tue, 14 Nov 2023 22:13:21 GMT",
)


def test_the_date_is_written_as_http_has_it() -> None:
    assert FILE.last_modified == SAME


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"if-none-match": '"v2"'}, 304),
        ({"if-none-match": 'W/"v2"'}, 304),
        ({"if-none-match": '"v1", W/"v2"'}, 304),
        ({"if-none-match": "*"}, 304),
        ({"if-none-match": '"v1"'}, 200),
        ({"if-none-match": "v2"}, 200),
        ({"if-modified-since": SAME}, 304),
        ({"if-modified-since": AFTER}, 304),
        ({"if-modified-since": BEFORE}, 200),
        ({"if-modified-since": "yesterday"}, 200),
        ({"if-none-match": '"v1"', "if-modified-since": SAME}, 200),
        ({"if-match": '"v2"'}, 200),
        ({"if-match": "*"}, 200),
        ({"if-match": 'W/"v2"'}, 412),
        ({"if-match": '"v1"'}, 412),
        ({"if-unmodified-since": SAME}, 200),
        ({"if-unmodified-since": BEFORE}, 412),
        ({"if-match": '"v2"', "if-unmodified-since": BEFORE}, 200),
        ({"if-match": '"v1"', "if-none-match": '"v2"'}, 412),
        ({"if-match": '"v2"', "if-none-match": '"v2"'}, 304),
    ],
)
def test_conditions_are_judged_in_their_order(headers: dict[str, str], status: int) -> None:
    sent = {name.encode(): value.encode() for name, value in headers.items()}
    assert judge(sent.get, FILE) == status


@pytest.mark.parametrize(
    ("value", "allowed"),
    [
        (None, True),
        ('"v2"', True),
        ('W/"v2"', False),
        ('"v1"', False),
        (SAME, True),
        (AFTER, False),
        ("x", False),
    ],
)
def test_a_range_may_depend_on_the_version(value: str | None, allowed: bool) -> None:
    sent = {} if value is None else {b"if-range": value.encode()}
    assert allows_range(sent.get, FILE) is allowed

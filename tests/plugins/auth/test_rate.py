"""The rate and its table: pure arithmetic."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pegboard_auth._rate import Rate, RateTable


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("10/s", Rate(10, 1)),
        ("100/min", Rate(100, 60)),
        ("5/30s", Rate(5, 30)),
        ("1/d", Rate(1, 86400)),
    ],
)
def test_a_rate_is_read(text, rate):
    assert Rate.parse(text) == rate


@pytest.mark.parametrize(
    "text", ["", "10", "0/s", "10/", "/s", "10/0s", "-1/s", "1/week", "10 / s", "1e9/s"]
)
def test_what_is_no_rate_is_refused_and_the_message_shows_one(text):
    with pytest.raises(ValueError, match="10/s"):
        Rate.parse(text)


def test_all_of_a_period_may_come_at_once_and_then_one_after_the_other():
    table = RateTable(Rate(3, 3.0))
    assert [table.take("a", 100.0) for _ in range(4)] == [0, 0, 0, pytest.approx(1.0)]
    assert table.take("a", 100.5) == pytest.approx(0.5)
    assert table.take("a", 101.0) == 0
    assert table.take("a", 101.0) > 0


def test_one_caller_takes_nothing_from_another():
    table = RateTable(Rate(1, 60.0))
    assert table.take("a", 0.0) == 0
    assert table.take("a", 0.0) > 0
    assert table.take("b", 0.0) == 0


def test_the_table_is_bounded():
    table = RateTable(Rate(1, 60.0), size=10)
    for number in range(1000):
        table.take(str(number), float(number))
    assert len(table) == 10


@settings(deadline=None)  # a busy machine is no failure
@given(st.integers(1, 20), st.floats(0.5, 100), st.lists(st.floats(0, 5), max_size=200))
def test_never_more_than_twice_the_count_is_granted_in_a_period(count, period, pauses):
    rate, full_until, now = Rate(count, period), 0.0, 0.0
    granted = []
    for pause in pauses:
        now += pause
        full_until, wait = rate.take(full_until, now)
        if not wait:
            granted.append(now)
    for moment in granted:
        assert sum(moment <= each < moment + period for each in granted) <= 2 * count

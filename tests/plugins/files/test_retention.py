"""Which versions and backups are kept."""

import pytest

from pegboard_files import OptionError
from pegboard_files._retention import Retention

DAY = 86_400.0
NOW = 1_000 * DAY + 3_600
HOURLY = {number: NOW - (100 - number) * 3_600.0 for number in range(1, 101)}


def test_the_newest_are_kept() -> None:
    assert Retention(last=3).kept(HOURLY, NOW) == {98, 99, 100}


def test_the_newest_of_each_day_is_kept() -> None:
    kept = Retention(daily=3).kept(HOURLY, NOW)
    assert len({int(HOURLY[number] // DAY) for number in kept}) == len(kept) == 3
    for number in kept:
        day = [each for each in HOURLY if HOURLY[each] // DAY == HOURLY[number] // DAY]
        assert number == max(day)


def test_weeks_and_months_reach_further_back() -> None:
    yearly = {number: NOW - (400 - number) * DAY for number in range(1, 401)}
    assert len(Retention(weekly=10).kept(yearly, NOW)) == 10
    assert len(Retention(monthly=12).kept(yearly, NOW)) == 12
    assert len(Retention(last=5, weekly=10, monthly=12).kept(yearly, NOW)) > 12


def test_all_that_are_young_are_kept() -> None:
    assert Retention(days=0.5).kept(HOURLY, NOW) == set(range(89, 101))


def test_the_newest_is_always_kept() -> None:
    assert Retention(days=0.1).kept({1: 0.0, 2: 10.0}, NOW) == {2}
    assert Retention(last=1).kept({}, NOW) == set()


@pytest.mark.parametrize("parts", [{}, {"last": -1}, {"last": 1, "days": -1.0}])
def test_a_rule_that_says_nothing_is_refused(parts: dict[str, int]) -> None:
    with pytest.raises(OptionError, match="say what to keep"):
        Retention(**parts)

"""The gate before a lock: one at a time, in the order in which they came."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from pegboard_locking._gate import Gate, PlainGate, open_gate

Opener = Callable[[], Gate]


@pytest.fixture
def opener(tmp_path: Path) -> Iterator[Opener]:
    """Open the same gate again and again, as processes do."""
    with ExitStack() as stack:

        def open_one() -> Gate:
            gate = open_gate(str(tmp_path / "gate"))
            stack.callback(gate.close)
            return gate

        yield open_one


def test_those_who_wait_come_in_the_order_in_which_they_came(opener: Opener) -> None:
    first, second, third = opener(), opener(), opener()
    assert first.try_enter()
    assert not second.try_enter()
    assert not third.try_enter()
    first.leave()
    assert not first.try_enter(), "who was there comes after those who waited"
    assert not third.try_enter()
    assert second.try_enter()
    second.leave()
    assert third.try_enter()
    third.leave()
    assert first.try_enter()


def test_nobody_slips_past_those_who_wait(opener: Opener) -> None:
    first, second, late = opener(), opener(), opener()
    assert first.try_alone()
    assert not late.try_alone()
    first.leave()
    assert first.try_enter()
    assert not second.try_enter()
    first.leave()
    assert not late.try_alone()
    assert second.try_enter()
    second.leave()
    assert late.try_alone()


def test_nobody_waits_for_one_that_is_gone(opener: Opener, tmp_path: Path) -> None:
    first, last = opener(), opener()
    killed = open_gate(str(tmp_path / "gate"))
    assert first.try_enter()
    assert not killed.try_enter()
    assert not last.try_enter()
    first.leave()
    killed.close()  # as the system does when its process ends
    assert last.try_enter()


def test_without_an_order_there_is_one_at_a_time_still(tmp_path: Path) -> None:
    first, second = (
        PlainGate(os.open(tmp_path / "gate", os.O_RDWR | os.O_CREAT)) for _ in range(2)
    )
    assert first.try_enter()
    assert not second.try_enter()
    assert not second.try_alone()
    first.leave()
    assert second.try_alone()
    first.close()
    second.close()

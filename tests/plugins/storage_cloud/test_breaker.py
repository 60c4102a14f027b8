"""When a service that is away is asked again."""

from pegboard_storage_cloud._breaker import Breaker


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def broken(clock: Clock) -> Breaker:
    breaker = Breaker(1.0, 4.0, clock=clock)
    for _ in range(2):
        assert breaker.admits()
        breaker.failed()
    return breaker


def test_one_failure_is_no_outage() -> None:
    breaker = Breaker(1.0, 4.0, clock=Clock())
    breaker.failed()
    assert breaker.admits()
    breaker.succeeded()
    breaker.failed()
    assert breaker.admits()
    assert not breaker.is_open


def test_after_two_failures_nobody_asks_for_a_pause() -> None:
    breaker = broken(Clock())
    assert breaker.is_open
    assert not breaker.admits()
    assert 0.8 <= breaker.wait <= 1.0


def test_after_the_pause_one_caller_tries() -> None:
    clock = Clock()
    breaker = broken(clock)
    clock.now += 1.0
    assert breaker.wait == 0.0
    assert breaker.admits()
    assert not breaker.admits()


def test_a_caller_that_never_reports_back_holds_nobody_up_for_ever() -> None:
    clock = Clock()
    breaker = broken(clock)
    clock.now += 1.0
    assert breaker.admits()
    clock.now += 4.0
    assert breaker.admits()


def test_the_pause_doubles_up_to_the_longest() -> None:
    clock = Clock()
    breaker = broken(clock)
    pauses = []
    for _ in range(4):
        pauses.append(breaker.wait)
        clock.now += breaker.wait
        assert breaker.admits()
        breaker.failed()
    assert 0.8 <= pauses[0] <= 1.0
    assert 1.6 <= pauses[1] <= 2.0
    assert 3.2 <= pauses[2] <= pauses[3] / 0.8 <= 5.0


def test_callers_that_fail_together_count_as_one() -> None:
    clock = Clock()
    breaker = Breaker(1.0, 60.0, clock=clock)
    for _ in range(8):
        breaker.failed()
    assert 0.8 <= breaker.wait <= 1.0
    clock.now += 1.0
    assert breaker.admits()
    for _ in range(8):
        breaker.failed()
    assert 1.6 <= breaker.wait <= 2.0


def test_a_new_outage_right_after_a_success_has_a_pause_of_its_own() -> None:
    clock = Clock()
    breaker = broken(clock)
    clock.now += 1.0
    assert breaker.admits()
    breaker.succeeded()
    clock.now += 0.9
    breaker.failed()
    breaker.failed()
    assert breaker.wait >= 0.8


def test_a_success_lets_everyone_through_and_forgets() -> None:
    clock = Clock()
    breaker = broken(clock)
    clock.now += 1.0
    assert breaker.admits()
    breaker.succeeded()
    assert all(breaker.admits() for _ in range(3))
    assert not breaker.is_open
    breaker.failed()
    breaker.failed()
    assert breaker.wait <= 1.0

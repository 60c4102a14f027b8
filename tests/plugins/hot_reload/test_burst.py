"""When a change is whole: a table of what has changed, the time, and how long to wait."""

from pathlib import Path

import pytest

from pegboard_hot_reload._burst import LOOK, LOOK_AT_TOOL, PATIENCE, Burst, is_source
from pegboard_hot_reload.config import HotReloadConfig

CONFIG = HotReloadConfig(burst_files=3, quiet_ms=100, longest_ms=2000)


def paths(count):
    return {Path(f"/mods/{number}.py") for number in range(count)}


@pytest.mark.parametrize(
    ("count", "age", "quiet", "state", "expected"),
    [
        (1, 0.0, 0.0, (False, False), 0.0),
        (2, 0.5, 0.0, (False, False), 0.0),
        (1, 0.0, 0.0, (True, False), LOOK),
        (1, PATIENCE, PATIENCE, (True, False), 0.0),
        (3, 0.0, 0.0, (False, False), 0.1),
        (3, 0.5, 0.04, (False, False), 0.06),
        (3, 0.5, 0.1, (False, False), 0.0),
        (1, 0.5, 0.5, (False, True), LOOK_AT_TOOL),
        (500, 2.0, 0.0, (True, True), 0.0),
    ],
)
def test_one_file_is_taken_at_once_and_many_when_it_is_quiet(count, age, quiet, state, expected):
    unfinished, blocked = state
    burst = Burst(CONFIG, begun=100.0, latest=100.0 + age - quiet, paths=paths(count))
    assert burst.wait(100.0 + age, unfinished=unfinished, blocked=blocked) == pytest.approx(
        expected
    )


def test_further_events_put_the_end_off():
    burst = Burst(CONFIG, begun=0.0, latest=0.0, paths=set())
    burst.add(paths(4), 0.5)
    assert burst.wait(0.55, unfinished=False, blocked=False) == pytest.approx(0.05)
    burst.add(paths(5), 0.6)
    assert burst.wait(0.65, unfinished=False, blocked=False) == pytest.approx(0.05)
    assert len(burst.paths) == 5


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("/p/mods/a.py", True),
        ("/p/mods/shop", True),
        ("/p/mods/..data", True),
        ("/p/mods/..2026_11", True),
        ("/p/mods/a.py~", False),
        ("/p/mods/.a.py.swp", False),
        ("/p/mods/page.html", False),
        ("/p/mods/__pycache__/a.cpython-311.pyc", False),
        ("/p/mods/.git/index", False),
    ],
)
def test_only_what_can_change_code_counts(name, expected):
    assert is_source(Path(name)) is expected

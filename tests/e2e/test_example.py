"""The example plugin of the documentation: its own tests, against this kernel."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.environment import ROOT
from tests.child import Child

EXAMPLE = ROOT / "docs" / "examples" / "maintenance"


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Child:
    made = Child(tmp_path_factory.mktemp("child") / "venv")
    made.install(str(EXAMPLE))
    return made


def test_its_own_tests_pass(child: Child) -> None:
    done = child.run("pytest", "-q", "tests", cwd=EXAMPLE)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_it_is_well_typed(child: Child, tmp_path: Path) -> None:
    done = child.run("mypy", "--cache-dir", str(tmp_path), cwd=EXAMPLE)
    assert done.returncode == 0, done.stdout


def test_it_passes_the_checks_that_are_quick(child: Child, tmp_path: Path) -> None:
    words = [word for name in ("tested", "installs alone", "typed") for word in ("--skip", name)]
    done = child.run("pegboard", "check", "maintenance", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith("maintenance: 5 ok\n")

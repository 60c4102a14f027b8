"""`pegboard new plugin`: what it makes is good as it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pegboard._cli.plugin_scaffold import PluginNames, new_plugin
from pegboard.errors import ConflictError, InputError
from tests.child import Child

NAMES = ["a", "maintenance_of_a_long_name_now"]
"""The shortest and the longest: no line of the template may break for its length."""


@pytest.fixture(scope="module")
def child(tmp_path_factory: pytest.TempPathFactory) -> Child:
    return Child(tmp_path_factory.mktemp("child") / "venv")


@pytest.fixture(scope="module", params=NAMES)
def plugin(
    request: pytest.FixtureRequest, child: Child, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of a new plugin, which is installed."""
    folder = new_plugin(tmp_path_factory.mktemp("new"), PluginNames.read(request.param))
    child.install("--editable", str(folder))
    return folder


def test_its_own_tests_pass(plugin: Path, child: Child) -> None:
    done = child.run("pytest", "-q", cwd=plugin)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout


def test_it_is_well_typed(plugin: Path, child: Child) -> None:
    cache = Path(child.python).parents[2] / "mypy"  # for both names, since most of it is the same
    done = child.run("mypy", "--cache-dir", str(cache), cwd=plugin)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("arguments", [["format", "--check"], ["check"]])
def test_it_is_in_good_form(plugin: Path, arguments: list[str]) -> None:
    ruff = Path(sys.executable).with_name("ruff")
    command = [ruff, *arguments, "--no-cache", "."]
    done = subprocess.run(command, cwd=plugin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "text", ["", "Upper", "1st", "with space", "class", "ünicode", "_x", "x_", "a" * 31, "../up"]
)
def test_a_plugin_cannot_be_called_anything(text: str) -> None:
    with pytest.raises(InputError, match="cannot be the name of a plugin"):
        PluginNames.read(text)


def test_a_plugin_cannot_be_called_like_one_of_ours() -> None:
    with pytest.raises(InputError, match="brings itself"):
        PluginNames.read("pegboard-transport-http")


def test_the_name_of_a_distribution_names_its_plugin() -> None:
    names = PluginNames.read("pegboard-rate-meter")
    assert (names.name, names.package) == ("rate_meter", "pegboard_rate_meter")
    assert names.distribution == "pegboard-rate-meter"


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "pegboard-a").mkdir()
    with pytest.raises(ConflictError, match="--folder"):
        new_plugin(tmp_path, PluginNames.read("a"))
    assert list((tmp_path / "pegboard-a").iterdir()) == []

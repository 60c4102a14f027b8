"""`pegboard check`: what is wrong with a plugin is found, and what is right is not blamed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pegboard._check.finding import NAMES
from pegboard._cli.plugin_scaffold import PluginNames, new_plugin
from tests.child import PYTEST, Child

NAME = "patient"
PACKAGE = f"pegboard_{NAME}"
METADATA = f"""\
Metadata-Version: 2.4
Name: pegboard-{NAME}
Version: 1.0
Requires-Dist: pegboard<0.2,>=0.1
"""


class Patient:
    """A new plugin, as if it were installed in an editable way, and what is done to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = new_plugin(folder, PluginNames.read(NAME))
        self.code = self.folder / "src" / PACKAGE
        info = self.folder / "src" / f"{PACKAGE}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(METADATA, encoding="utf-8")
        entry = f"[pegboard.plugins]\n{NAME} = {PACKAGE}.plugin:plugin\n"
        (info / "entry_points.txt").write_text(entry, encoding="utf-8")

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.folder / file if "/" in file else self.code / file
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    def check(self, *names: str) -> dict[str, Any]:
        """Make the named checks, and return what they found by name."""
        only = [word for name in names for word in ("--only", name)]
        done = run(str(self.folder), "--json", *only, path=self.folder / "src")
        answer = json.loads(done.stdout)
        assert answer["plugin"] == NAME
        assert done.returncode == (0 if answer["ok"] else 1)
        return {each["name"]: (each["state"], each["detail"]) for each in answer["findings"]}


def run(*arguments: str, path: Path) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, **PYTEST, "PYTHONPATH": str(path), "COLUMNS": "200"}
    command = [sys.executable, "-m", "pegboard", "check", *arguments]
    return subprocess.run(
        command, env=variables, cwd=path, capture_output=True, text=True, check=False
    )


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    return Patient(tmp_path)


def add(text: str) -> Callable[[Patient], None]:
    """Put code at the end of the plugin's module."""
    return lambda patient: patient.edit("plugin.py", "plugin = Slow", f"{text}\nplugin = Slow")


def replace(file: str, old: str, new: str) -> Callable[[Patient], None]:
    return lambda patient: patient.edit(file, old, new)


KEEPS_ITSELF = """
import pegboard
vars(pegboard).setdefault("kept", []).append(SlowCallsPlugin)
"""
KEEPS_A_THREAD = """
import threading
threading.Thread(target=threading.Event().wait, daemon=True).start()
"""
KEEPS_A_FILE = """
import os
os.open(os.devnull, os.O_RDONLY)
"""
WRONG = {
    "no summary": (
        "manifest",
        replace("plugin.toml", "Notes the calls that take long.", ""),
        "no summary",
    ),
    "no manifest": (
        "manifest",
        lambda patient: (patient.code / "plugin.toml").unlink(),
        "plugin.toml",
    ),
    "another API": ("manifest", replace("plugin.toml", "api = 1", "api = 99"), "API 99"),
    "hook without a docstring": (
        "documented",
        replace("plugin.py", '"""Tell how many calls were slow."""', ""),
        "health has no docstring",
    ),
    "hook that the README leaves out": (
        "documented",
        replace("./README.md", "`health`", "this"),
        "the README does not mention health",
    ),
    "setting without help": ("described", replace("config.py", "limit: Sec", "Sec"), "limit"),
    "setting without a default": ("described", replace("config.py", " = 1.0", ""), "default"),
    "setting without bounds": (
        "described",
        replace("config.py", "Annotated[float, msgspec.Meta(ge=0, le=3600)]", "float"),
        "has no bounds",
    ),
    "hook that does not fit": (
        "conforms",
        replace("plugin.py", "health(self, app: App)", "health(self, apps: App)"),
        "failed",
    ),
    "plugin that stays": ("reloads", add(KEEPS_ITSELF), "10 old versions stay in memory, held by"),
    "thread that stays": ("reloads", add(KEEPS_A_THREAD), "8 threads more"),
    "file that stays": ("reloads", add(KEEPS_A_FILE), "8 files or sockets more"),
    "plugin that fails": ("reloads", add("raise OSError('broken')"), "broken"),
    "no types for others": (
        "typed",
        lambda patient: (patient.code / "py.typed").unlink(),
        "py.typed",
    ),
    "wrong type": ("typed", replace("_slow.py", "+= 1", '+= "1"'), "_slow.py"),
    "failing test": (
        "tested",
        replace("tests/test_plugin.py", '== "1"', '== "2"'),
        "test_a_call_above_the_limit_is_counted",
    ),
    "no tests": (
        "tested",
        lambda patient: (patient.folder / "tests").rename(patient.folder / "attic"),
        "no folder `tests`",
    ),
}
"""What goes wrong: which check finds it, how it is done, and what is said."""


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_found_and_named(wrong: str, patient: Patient) -> None:
    name, break_, said = WRONG[wrong]
    break_(patient)
    state, detail = patient.check(name)[name]
    assert state == "failed"
    assert said in detail


def test_a_new_plugin_passes(patient: Patient) -> None:
    found = patient.check(*(name for name in NAMES if name != "installs alone"))
    assert {state for state, _ in found.values()} == {"ok"}, found


def test_a_suite_that_no_test_uses_is_a_warning(patient: Patient) -> None:
    path = patient.folder / "tests" / "test_plugin.py"
    path.write_text("def test_nothing():\n    pass\n", encoding="utf-8")
    state, detail = patient.check("tested")["tested"]
    assert state == "warning"
    assert "pegboard.testing.layer_suite" in detail


@pytest.mark.timeout(180)  # pip builds and installs in a fresh environment
def test_what_it_imports_has_to_be_declared(tmp_path: Path) -> None:
    folder = new_plugin(tmp_path, PluginNames.read(NAME))
    path = folder / "src" / PACKAGE / "plugin.py"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("\nfrom pegboard ", "\nimport click\nfrom pegboard "), "utf-8")
    child = Child(tmp_path / "venv")
    child.install("--editable", str(folder))
    words = ["check", str(folder), "--only", "installs alone"]
    done = child.run("pegboard", *words, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout.startswith("failed   installs alone")
    assert "No module named 'click'" in done.stdout


@pytest.mark.parametrize("target", ["transport_http", "pegboard-transport-http"])
def test_an_installed_plugin_is_checked_by_its_name(target: str, tmp_path: Path) -> None:
    done = run(target, "--only", "manifest", path=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == [
        "ok       manifest        API 1, pegboard-transport-http",
        "transport_http: 1 ok",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "no plugin of that name is installed"),
        ("[project", "is not valid TOML"),
        ("[project]\nname = 'x'", "and names 0"),
        ('[project.entry-points."pegboard.plugins"]\nx = "x:y"', "pip install -e"),
    ],
)
def test_what_cannot_be_checked_is_told(text: str | None, said: str, tmp_path: Path) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    if text is not None:
        (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    done = run(str(folder), path=tmp_path)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_check_can_be_left_out(patient: Patient) -> None:
    words = ["--only", "manifest", "--only", "described", "--skip", "manifest"]
    done = run(str(patient.folder), *words, path=patient.folder / "src")
    assert done.stdout.splitlines()[-1] == f"{NAME}: 1 ok"

"""What may be tracked, and what the tools may be told to ignore."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from scripts.environment import ROOT
from scripts.verb import VERBS

GENERATED = re.compile(
    r"(^|/)(uv\.lock|\.venv[^/]*|__pycache__|node_modules|dist|\.pegboard|\.DS_Store)(/|$)|\.pyc$"
)
MADE_HERE = re.compile(GENERATED.pattern + r"|(^|/)\.[a-z_]+_cache(/|$)")
# Spelled in parts, so that this file does not hold what it looks for.
REGISTRIES = (
    "pypi" + ".org/simple",
    "files.python" + "hosted",
    "registry.npm" + "js",
    "deb.debian" + ".org",
)
MACHINE_PATHS = re.compile(
    r"(?<![\w.~])/(" + "root" + "|" + "home/[a-z]+" + "|" + "work/main" + r")/"
)


def tracked() -> list[str]:
    done = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=False, capture_output=True, text=True
    )
    if done.returncode:  # not a clone: whatever is there and was not made here
        names = [path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if path.is_file()]
        return [name for name in names if not MADE_HERE.search(name)]
    return [name for name in done.stdout.split("\0") if (ROOT / name).is_file()]


def texts() -> list[tuple[str, str]]:
    return [(name, (ROOT / name).read_text("utf-8", errors="replace")) for name in tracked()]


def test_nothing_generated_is_tracked() -> None:
    assert [name for name in tracked() if GENERATED.search(name)] == []


def test_no_file_holds_the_address_of_a_registry() -> None:
    assert [name for name, text in texts() if any(each in text for each in REGISTRIES)] == []


def test_no_file_holds_a_path_of_some_machine() -> None:
    assert [name for name, text in texts() if MACHINE_PATHS.search(text)] == []


def test_every_ignored_rule_carries_its_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = text[text.index("[tool.ruff.lint]") :]
    rules = [line for line in section.splitlines() if re.match(r'    "[A-Z]+[0-9]*"', line)]
    assert len(rules) > 20
    assert [line for line in rules if not re.search(r"  # \S.{7,}$", line)] == []


def test_every_warning_that_is_let_pass_carries_its_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    section = text[text.index("filterwarnings = [") :].partition("]\n")[0]
    assert '"error"' in section
    passed = [line for line in section.splitlines() if re.match(r"    [\"']ignore", line)]
    assert [line for line in passed if not re.search(r"  # \S.{8,}$", line)] == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no execute permission")
@pytest.mark.parametrize("name", [".ci/run", "run.py"])
def test_what_is_started_by_hand_is_executable(name: str) -> None:
    assert os.access(ROOT / name, os.X_OK)


def test_the_check_runs_the_commands_of_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "python3 run.py serve" in readme
    assert "python3 run.py test" in readme
    check = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert len(re.findall(r"run\.py test( -n \d+)?(?: \\)?$", check, re.MULTILINE)) == 2


def test_the_guide_for_contributors_knows_every_verb() -> None:
    guide = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert [verb for verb in VERBS if f"`{verb}`" not in guide] == []


def test_the_changelog_begins_with_what_is_not_released_yet() -> None:
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert headings[0] == "Unreleased"


def test_links_between_documents_lead_somewhere() -> None:
    links = [
        (name, link)
        for name, text in texts()
        if name.endswith(".md")
        for link in re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", text)
    ]
    assert [each for each in links if not (ROOT / Path(each[0]).parent / each[1]).exists()] == []

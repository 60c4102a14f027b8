"""Every snippet of the documentation runs, and prints what the page says that it prints."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("docs/**/*.md"), ROOT / "README.md", *ROOT.glob("*/README.md")])

_FENCE = re.compile(r"^```(\w+)(?: ([^\n]*))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Snippet(NamedTuple):
    """A fenced block: its language, what follows the language, its text."""

    language: str
    label: str
    text: str


def snippets(page: Path) -> list[Snippet]:
    return [Snippet(*found) for found in _FENCE.findall(page.read_text(encoding="utf-8"))]


def run(command: list[str], project: Path) -> str:
    environment = {**os.environ, "COLUMNS": "200", "NO_COLOR": "1"}
    done = subprocess.run(
        command,
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    return done.stdout + done.stderr


def pages_with(*languages: str) -> list[Path]:
    return [page for page in PAGES if any(each.language in languages for each in snippets(page))]


@pytest.mark.parametrize("page", pages_with("python"), ids=lambda page: str(page.relative_to(ROOT)))
def test_each_program_on_the_page_runs(page: Path, tmp_path: Path) -> None:
    programs = [each.text for each in snippets(page) if each.label == "run"]
    for program in programs:
        subprocess.run([sys.executable, "-c", program], cwd=tmp_path, timeout=50, check=True)


@pytest.mark.parametrize("page", pages_with("python"), ids=lambda page: str(page.relative_to(ROOT)))
def test_each_python_snippet_says_how_it_is_tested(page: Path) -> None:
    labels = {each.label.partition("=")[0] for each in snippets(page) if each.language == "python"}
    assert labels <= {"run", "file"}


@pytest.mark.parametrize(
    "page", pages_with("console"), ids=lambda page: str(page.relative_to(ROOT))
)
def test_each_command_on_the_page_prints_what_stands_below_it(page: Path, tmp_path: Path) -> None:
    for snippet in snippets(page):
        if snippet.label.startswith("file="):
            path = tmp_path / snippet.label.removeprefix("file=")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(snippet.text, encoding="utf-8")
    for snippet in snippets(page):
        if snippet.language == "console":
            first, _, expected = snippet.text.partition("\n")
            command = shlex.split(first.removeprefix("$ pegboard"))
            printed = run([sys.executable, "-m", "pegboard", *command], tmp_path)
            assert printed.strip() == expected.strip(), first


def test_there_are_pages_to_test() -> None:
    assert pages_with("python")
    assert pages_with("console")

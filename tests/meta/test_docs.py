"""Every snippet of the documentation runs, and prints what the page says that it prints.

A page is a project: its blocks `file=PATH` are written into one folder, and its `console` blocks
run there, one command after the other. A command is `pegboard`, `pytest` or `curl`; for the last
the project is served, on a free port in place of 5000. `...` stands for what differs each time. A
block `python run` is a program of its own, a block `python host` one that mounts the app below
`/board` of `host`, a block `toml` without a file is a manifest that is read.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scripts.docs import PAGES, generated
from scripts.environment import ROOT
from tests.meta.snippet import commands, matches, snippets

ADDRESS = "http://127.0.0.1:5000"
"""Where the pages say that the project is served."""

TIMEOUT = 50
PROGRAMS = {
    "pegboard": [sys.executable, "-m", "pegboard"],
    "pytest": [sys.executable, "-m", "pytest", "-p", "anyio", "-p", "pegboard.testing.plugin"],
    "curl": [sys.executable, str(Path(__file__).with_name("curl.py"))],
}
ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
"""A pytest of the pages loads what they are about, not all that is installed here."""

IN_ORDER = {ROOT / "docs" / "write-a-plugin.md"}
"""Pages whose blocks build on one another; they have a test of their own."""

LANGUAGES = {"console", "html", "js", "json", "mermaid", "python", "sh", "text", "toml", "ts"}

_LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)]*))?\)")
_HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
_URL = re.compile(r'"urls":\["(http://[^"]+)"')


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PEGBOARD_")}
    return {**kept, "COLUMNS": "200", "NO_COLOR": "1", **ALONE}


def run(command: str, project: Path, address: str) -> str:
    words = shlex.split(command.replace(ADDRESS, address))
    count = next(index for index, word in enumerate(words) if word in PROGRAMS)
    variables = dict(word.split("=", 1) for word in words[:count])
    done = subprocess.run(
        [*PROGRAMS[words[count]], *words[count + 1 :]],
        cwd=project,
        env={**environment(), **variables},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    return (done.stdout + done.stderr).replace(address, ADDRESS)


@contextmanager
def served(project: Path) -> Iterator[str]:
    """Serve a project while the block runs; the address is that of the server."""
    command = [*PROGRAMS["pegboard"], "serve", "--port", "0", "--log-format", "json"]
    with (
        (project / "serve.log").open("w+", encoding="utf-8") as log,
        subprocess.Popen(
            command, cwd=project, env=environment(), stdout=log, stderr=subprocess.PIPE, text=True
        ) as server,
    ):
        try:
            assert server.stderr is not None
            lines: list[str] = []
            for line in server.stderr:
                lines.append(line)
                found = _URL.search(line)
                if found:
                    yield found[1]
                    break
            else:
                pytest.fail(f"the project could not be served: {''.join(lines)}")
        finally:
            server.terminate()
            server.communicate(timeout=TIMEOUT)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def pages_with(*languages: str) -> list[Path]:
    return [page for page in PAGES if any(each.language in languages for each in snippets(page))]


@pytest.mark.parametrize("page", pages_with("python"), ids=name_of)
def test_each_program_on_the_page_runs(page: Path, tmp_path: Path) -> None:
    programs = [each.text for each in snippets(page) if each.label == "run"]
    for program in programs:
        command = [sys.executable, "-W", "error", "-c", program]
        subprocess.run(command, cwd=tmp_path, env=environment(), timeout=TIMEOUT, check=True)


HOSTS = [
    pytest.param(each.text, id=f"{name_of(page)}-{number}")
    for page in PAGES
    for number, each in enumerate(snippets(page))
    if each.label == "host"
]


@pytest.mark.parametrize("program", HOSTS)
def test_the_app_answers_below_the_host_that_mounts_it(program: str, tmp_path: Path) -> None:
    path = tmp_path / "host.py"
    path.write_text(program, encoding="utf-8")
    driver = Path(__file__).with_name("hosted.py")
    command = [sys.executable, "-W", "error", str(driver), str(path)]
    subprocess.run(command, cwd=tmp_path, env=environment(), timeout=TIMEOUT, check=True)


@pytest.mark.parametrize("page", pages_with("python"), ids=name_of)
def test_each_python_snippet_says_how_it_is_tested(page: Path) -> None:
    labels = {each.label.partition("=")[0] for each in snippets(page) if each.language == "python"}
    assert labels <= {"run", "host", "file", "generated", "replace"}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_snippet_is_of_a_known_kind(page: Path) -> None:
    assert {each.language for each in snippets(page)} <= LANGUAGES


@pytest.mark.parametrize(
    "page", [page for page in pages_with("console") if page not in IN_ORDER], ids=name_of
)
def test_each_command_on_the_page_prints_what_stands_below_it(page: Path, tmp_path: Path) -> None:
    for snippet in snippets(page):
        if snippet.label.startswith("file="):
            path = tmp_path / snippet.label.removeprefix("file=")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(snippet.text, encoding="utf-8")
    pairs = [
        pair
        for snippet in snippets(page)
        if snippet.language == "console"
        for pair in commands(snippet)
    ]
    if not any(command.startswith("curl ") for command, _ in pairs):
        check(pairs, tmp_path, ADDRESS)
        return
    with served(tmp_path) as address:
        check(pairs, tmp_path, address)


def check(pairs: list[tuple[str, str]], project: Path, address: str) -> None:
    for command, expected in pairs:
        printed = run(command, project, address)
        assert matches(printed, expected), f"$ {command}\n{printed}"


@pytest.mark.parametrize("page", pages_with("toml"), ids=name_of)
def test_each_manifest_on_the_page_can_be_read(page: Path, tmp_path: Path) -> None:
    for snippet in snippets(page):
        if snippet.language == "toml" and not snippet.label:
            (tmp_path / "pegboard.toml").write_text(snippet.text, encoding="utf-8")
            printed = run("pegboard config show", tmp_path, ADDRESS)
            assert printed.startswith("setting\tvalue"), printed


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_is_generated_is_current(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text == generated(text), "write it anew with `python3 run.py docs`"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_link_leads_to_a_page_and_to_a_heading_on_it(page: Path) -> None:
    for link, heading in _LINK.findall(page.read_text(encoding="utf-8")):
        if "://" not in link:
            target = page.parent / link if link else page
            assert target.exists(), link
            assert not heading or heading in anchors(target), heading


def anchors(page: Path) -> set[str]:
    """Return what leads to the headings of a page."""
    headings = _HEADING.findall(page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", each).strip().lower().replace(" ", "-") for each in headings}


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert pages == {link for link, _ in _LINK.findall(index) if "/" not in link}


def test_there_are_pages_to_test() -> None:
    assert pages_with("python")
    assert pages_with("console")

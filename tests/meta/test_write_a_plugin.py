"""The guide "Write a plugin", followed from its beginning to its end.

Its blocks are taken in their order: `file=PATH` is written, `replace=PATH` exchanges what stands
above its line `---` for what stands below, and the commands of a `console` block have to print what
stands below them. They run in an environment that has what this one has.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from scripts.environment import ROOT
from tests.child import Child
from tests.meta.snippet import Snippet, commands, matches, snippets

PAGE = ROOT / "docs" / "write-a-plugin.md"


class Reader:
    """Somebody who does what the page says."""

    def __init__(self, folder: Path) -> None:
        self._child = Child(folder / "venv")
        self._project = folder / "project"
        self._project.mkdir()

    def follow(self, snippet: Snippet) -> None:
        what, _, name = snippet.label.partition("=")
        path = self._project / name
        if snippet.language == "console":
            for command, expected in commands(snippet):
                self._run(command, expected)
        elif what == "file":
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(snippet.text, encoding="utf-8")
        elif what == "replace":
            old, new = snippet.text.split("---\n", 1) if "\n---\n" in snippet.text else ("", "")
            text = path.read_text(encoding="utf-8")
            assert text.count(old) == 1, f"{name} does not have once: {old}"
            path.write_text(text.replace(old, new), encoding="utf-8")

    def _run(self, command: str, expected: str) -> None:
        program, *words = shlex.split(command)
        if program == "pip":
            self._child.install(*(word for word in words if word != "install"), cwd=self._project)
            return
        done = self._child.run(program, *words, cwd=self._project)
        assert matches(done.stdout, expected), f"$ {command}\n{done.stdout}"


@pytest.mark.timeout(300)  # it is a quarter of an hour for a person
def test_who_follows_the_guide_gets_what_it_says(tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    for snippet in snippets(PAGE):
        reader.follow(snippet)

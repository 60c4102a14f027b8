"""Google-style docstrings, as far as an API description can use them. Pure."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping

import msgspec

__all__ = ["Docstring", "parse_docstring"]

_SECTION = re.compile(r"^([A-Z][A-Za-z ]*):$")
_ENTRY = re.compile(r"^\*{0,2}(\w+)(?: ?\([^)]*\))?:\s*(.*)$")
_ARGUMENTS = ("Args", "Arguments", "Parameters")


class Docstring(msgspec.Struct, frozen=True):
    """What a docstring says.

    Attributes:
        summary: Its first paragraph, in one line.
        description: What follows, up to the first section.
        arguments: What it says of each argument, by name, in one line each.
        returns: What it says of the answer, in one line.
    """

    summary: str = ""
    description: str = ""
    arguments: Mapping[str, str] = {}
    returns: str = ""


def parse_docstring(text: str | None) -> Docstring:
    """Read a docstring; what does not follow the style is taken as description."""
    sections = _sections(inspect.cleandoc(text or ""))
    summary, _, description = sections.pop("").strip().partition("\n\n")
    arguments = "\n".join(sections.get(each, "") for each in _ARGUMENTS)
    return Docstring(
        summary=_one_line(summary),
        description=description.strip(),
        arguments=_entries(arguments),
        returns=_one_line(sections.get("Returns", sections.get("Yields", ""))),
    )


def _sections(text: str) -> dict[str, str]:
    """Return the text of each section by its heading; the text before the first has none."""
    found: dict[str, list[str]] = {"": []}
    heading = ""
    for line in text.splitlines():
        match = _SECTION.match(line)
        if match:
            heading = match[1]
            found.setdefault(heading, [])
        else:
            found[heading].append(line)
    return {name: inspect.cleandoc("\n".join(["", *lines])) for name, lines in found.items()}


def _entries(text: str) -> dict[str, str]:
    entries: dict[str, list[str]] = {}
    name = ""
    for line in text.splitlines():
        match = _ENTRY.match(line)
        if match:
            name = match[1]
            entries[name] = [match[2]]
        elif name:
            entries[name].append(line)
    return {name: _one_line(" ".join(lines)) for name, lines in entries.items()}


def _one_line(text: str) -> str:
    return " ".join(text.split())

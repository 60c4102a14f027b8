"""Changing one list of `pegboard.toml`, and nothing else of what people wrote there."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pegboard.errors import ConfigError

__all__ = ["with_list"]

_TABLE = re.compile(r"^\s*\[+[^\]]+\]+\s*(#.*)?$", re.MULTILINE)


def with_list(text: str, table: str, key: str, names: Iterable[str], *, place: Path) -> str:
    """Return a manifest in which a list of names is `names`; comments and order stay.

    Args:
        text: The manifest.
        table: Name of the table.
        key: Name of the list.
        names: What it is to contain.
        place: Where the manifest is, for the message.

    Raises:
        ConfigError: If it is written in a way that this cannot change.
    """
    wanted = sorted(set(names))
    line = f"{key} = [{', '.join(_quoted(each) for each in wanted)}]"
    changed = _changed(text, table, key, line)
    before, after = _parsed(text, place), _parsed(changed, place)
    before.setdefault(table, {})[key] = wanted
    if after != before:
        msg = f"{place} is written in an unusual way: put `{line}` into [{table}] by hand"
        raise ConfigError(msg)
    return changed


def _changed(text: str, table: str, key: str, line: str) -> str:
    head = re.search(rf"^\[{re.escape(table)}\][ \t]*(#.*)?$", text, re.MULTILINE)
    if head is None:
        first = _TABLE.search(text, 0)
        start = first.start() if first else len(text)
        above = text[:start]
        gap = "" if not above or above.endswith("\n") else "\n"
        return f"{above}{gap}[{table}]\n{line}\n" + ("\n" if first else "") + text[start:]
    following = _TABLE.search(text, head.end())
    end = following.start() if following else len(text)
    body = text[head.end() : end]
    entry = re.compile(rf"^{re.escape(key)}[ \t]*=[ \t]*\[[^\]]*\]", re.MULTILINE)
    if entry.search(body):
        body = entry.sub(lambda _: line, body, count=1)
    else:
        body = f"\n{line}{body}" if body else f"\n{line}\n"
    return text[: head.end()] + body + text[end:]


def _parsed(text: str, place: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        msg = f"{place} is not valid TOML: {error}"
        raise ConfigError(msg) from error


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'

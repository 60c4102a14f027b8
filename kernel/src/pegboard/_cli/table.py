"""Rows of text as a table: drawn on a terminal, tab-separated in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

import click

__all__ = ["show_table"]

STATE_COLOURS = {
    "active": "green",
    "ok": "green",
    "off": "bright_black",
    "warning": "yellow",
    "failed": "red",
    "incompatible": "red",
}


def show_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows under their heads; in a pipe a row is a line and a tab ends a column."""
    if not sys.stdout.isatty():
        for row in (heads, *rows):
            click.echo("\t".join(" ".join(cell.split()) for cell in row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*heads, box=None, pad_edge=False, header_style="dim")
    for row in rows:
        table.add_row(*(Text(cell, style=STATE_COLOURS.get(cell, "")) for cell in row))
    Console(highlight=False).print(table)

"""Figures as text: aligned columns that read in a terminal and paste as Markdown."""

from collections.abc import Sequence

Cell = str | float | None


def number(value: float) -> str:
    """Write a figure with the digits that mean something: three, or all before the point."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(title: str, head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Return a titled table; a missing figure is written as ``-``."""
    cells = [list(head)] + [[_text(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = [_line(row, widths) for row in cells]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([f"### {title}", "", lines[0], rule, *lines[1:], ""])


def _text(cell: Cell) -> str:
    if cell is None:
        return "-"
    return cell if isinstance(cell, str) else number(cell)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = zip(row, widths, strict=True)
    padded = [first[0].ljust(first[1])] + [text.rjust(width) for text, width in rest]
    return "| " + " | ".join(padded) + " |"

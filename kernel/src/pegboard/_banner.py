"""What `pegboard serve` says when it has started: where, what, and who may call it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from pegboard._style import Style

if TYPE_CHECKING:
    from pegboard._app import App
    from pegboard._export import Export

__all__ = ["banner"]

_WIDTH = 100
_COLUMN = 18


def banner(app: App, urls: Sequence[str], server: str, *, style: Style) -> str:
    """Return the text for a terminal.

    Args:
        app: The app, started.
        urls: Addresses that it is served at.
        server: Name of the server with what it runs on.
        style: How to emphasize.
    """
    return "\n".join(
        [
            *(f"{style.bold(style.green(url))}" for url in urls),
            style.dim(f"{server}, project {app.project}{', development' if app.dev else ''}"),
            *_mods(app, style),
            *_open(app, style),
            *_problems(app, style),
            style.dim("Ctrl+C stops it."),
        ]
    )


def _mods(app: App, style: Style) -> Iterator[str]:
    by_mod: dict[str, list[Export]] = {}
    for export in app.registry:
        by_mod.setdefault(export.mod, []).append(export)
    if not by_mod:
        yield "No mods yet: pegboard new mod hello"
    for mod, exports in sorted(by_mod.items()):
        names = ", ".join(sorted(export.name for export in exports))
        yield from _wrapped(f"  {style.bold(mod)}", len(mod), names)


def _open(app: App, style: Style) -> Iterator[str]:
    """Say which exports can be reached from outside, and by whom: what is not named cannot."""
    levels: dict[int, list[str]] = {}
    for export in app.registry:
        if export.options.api:
            levels.setdefault(max(export.required_level, 0), []).append(export.address)
    for level, addresses in sorted(levels.items()):
        who = "open to everyone" if level == 0 else f"from level {level}"
        paint = style.yellow if level == 0 else style.bold
        yield from _wrapped(f"  {paint(who)}", len(who), "  ".join(_compact(addresses)))


def _problems(app: App, style: Style) -> Iterator[str]:
    for kind, all_of_them in (("plugin", app.plugins.status), ("mod", app.mods.status)):
        for name, status in all_of_them.items():
            if status.state not in ("active", "off"):
                yield style.red(f"{kind} {name} {status.state}: {status.reason}")


def _compact(addresses: Iterable[str]) -> Iterator[str]:
    """Yield `A.x, A.y, B.z` as `A.{x, y}` and `B.z`."""
    by_mod: dict[str, list[str]] = {}
    for address in sorted(addresses):
        mod, _, name = address.rpartition(".")
        by_mod.setdefault(mod, []).append(name)
    for mod, names in by_mod.items():
        yield f"{mod}.{names[0]}" if len(names) == 1 else f"{mod}.{{{', '.join(names)}}}"


def _wrapped(head: str, length: int, text: str) -> Iterator[str]:
    """Yield a head of `length` visible characters and the text beside it, wrapped."""
    import textwrap  # only where a banner is shown

    column = _COLUMN if length < _COLUMN else length + 1
    lines = textwrap.wrap(text, _WIDTH - column - 2, break_on_hyphens=False) or [""]
    yield f"{head}{' ' * (column - length)}{lines[0]}"
    yield from (" " * (column + 2) + line for line in lines[1:])

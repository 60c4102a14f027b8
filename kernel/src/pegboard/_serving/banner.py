"""What `pegboard serve` says when it has started: where, what, and who may call it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from pegboard._discovery import find_mods
from pegboard._serving.style import Style

if TYPE_CHECKING:
    from pegboard._app import App
    from pegboard._export import Export

__all__ = ["banner"]

_WIDTH = 100
_COLUMN = 18
_INNER = "not from outside"

WEBSOCKET = "websocket_handler"
"""The `@export` keyword by which a WebSocket transport, whichever it is, serves an export."""


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
            *_exports(app, style),
            *_problems(app, style),
            style.dim("Ctrl+C stops it."),
        ]
    )


def _exports(app: App, style: Style) -> Iterator[str]:
    """Name each export once, beside who can reach it from outside."""
    levels: dict[int | None, list[str]] = {}
    for export in app.registry:
        if _is_reachable(export):
            levels.setdefault(export.required_level, []).append(export.address)
        elif not (export.options.initial or export.options.exit_f):
            levels.setdefault(None, []).append(export.address)
    if not len(app.registry.table):
        yield _nothing(app)
    inner = levels.pop(None, [])
    for level, addresses in sorted(levels.items(), key=lambda each: each[0] or 0):
        who = "open to everyone" if level == 0 else f"from level {level}"
        paint = style.yellow if level == 0 else style.bold
        yield from _wrapped(f"  {paint(who)}", len(who), "  ".join(_compact(addresses)))
    if inner:
        yield from _wrapped(f"  {style.dim(_INNER)}", len(_INNER), "  ".join(_compact(inner)))


def _is_reachable(export: Export) -> bool:
    """Whether a transport serves it: over HTTP, or as what handles a WebSocket."""
    if export.internal:
        return False
    return export.options.api or bool(export.declaration.plugin_options.get(WEBSOCKET))


def _nothing(app: App) -> str:
    if app.mods.status:
        return "No mod serves: pegboard mods says why"
    if find_mods(app.project):
        return "No mods are loaded"
    return "No mods yet: pegboard new mod hello"


def _problems(app: App, style: Style) -> Iterator[str]:
    for kind, all_of_them in (("plugin", app.plugins.status), ("mod", app.mods.status)):
        for name, status in all_of_them.items():
            if status.state not in ("active", "off"):
                yield style.red(f"{kind} {name} {status.state}: {status.reason}")
            if status.rejected:
                yield style.red(f"{kind} {name} is as it was before: {status.rejected}")


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

"""What looks like a mistake in a project but keeps nothing from running: said, not raised."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pegboard._config import did_you_mean
from pegboard._discovery import find_mods, misnamed_mods

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pegboard._app import App

__all__ = ["advice"]


def advice(app: App) -> list[str]:
    """Return what the people who set up this app may have got wrong, a sentence each.

    Args:
        app: The app, started.
    """
    return [*app.config.advice, *_unknown_names(app), *_misnamed(app), *_unreachable(app)]


def _unknown_names(app: App) -> Iterator[str]:
    plugins = app.plugins.status.keys()
    mods = {each.name for each in find_mods(app.project)} | app.mods.status.keys()
    exporting = mods | {export.mod for export in app.registry}
    for section, known in (("plugins", plugins), ("mods", mods)):
        chosen = app.config.selection(section)
        yield from _unknown(app, f"{section}.allow", chosen.allow or (), known)
        yield from _unknown(app, f"{section}.deny", chosen.deny, known)
    yield from _unknown(app, "access.open_modules", app.access.settings.open_modules, exporting)
    yield from _unknown(
        app, "access.protected_modules", app.access.settings.protected_modules, exporting
    )


def _unknown(app: App, setting: str, names: Iterable[str], known: Iterable[str]) -> Iterator[str]:
    known = set(known)
    for name in names:
        if name not in known:
            place = f"{setting} (from {app.config.origin(setting)})"
            yield f"{place} names {name!r}, which is not here{did_you_mean(name, known)}"


def _misnamed(app: App) -> Iterator[str]:
    for each in misnamed_mods(app.project):
        yield f"{each.path} is no mod: {each.problem}"


def _unreachable(app: App) -> Iterator[str]:
    if not app.hooks.implementations("asgi_routes"):
        what = "no plugin serves an address, so that all are answered with 503"
        yield f"{what}: pip install pegboard-transport-http"

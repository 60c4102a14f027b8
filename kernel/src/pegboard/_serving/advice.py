"""What looks like a mistake in a project but keeps nothing from running: said, not raised."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pegboard._config import ENVIRONMENT_PREFIX, ROOT_SECTIONS, did_you_mean
from pegboard._discovery import find_mods, is_importable, mod_paths
from pegboard.errors import ConfigError

if TYPE_CHECKING:
    from pegboard._app import App

__all__ = ["advice", "forgotten_variables", "misconfigured", "misnamed_mods"]

_FORGOTTEN = re.compile(rf"{ENVIRONMENT_PREFIX}({'|'.join(ROOT_SECTIONS)})_[A-Z]".upper())


def advice(app: App) -> list[str]:
    """Return what the people who set up this app may have got wrong, a sentence each.

    Args:
        app: The app, started.
    """
    return [
        *forgotten_variables(os.environ),
        *_unknown_names(app),
        *(f"{path} is no mod: {problem}" for path, problem in misnamed_mods(app.project)),
        *_unreachable(app),
    ]


def forgotten_variables(environment: Iterable[str]) -> Iterator[str]:
    """Say of each variable that has one underscore too few what was meant."""
    for name in sorted(environment):
        forgotten = _FORGOTTEN.match(name)
        if forgotten and "__" not in name:
            section, rest = forgotten[1], name[forgotten.end(1) + 1 :]
            meant = f"{ENVIRONMENT_PREFIX}{section}__{rest}"
            yield f"the variable {name} sets nothing; did you mean {meant}?"


def misnamed_mods(project: Path | None) -> list[tuple[Path, str]]:
    """Return what lies among the mods of a project and cannot be loaded for its name, and why."""
    found = [] if project is None else mod_paths(project / "mods")
    return [
        (path, f"no module can be called {name!r}: rename it")
        for name, path in found
        if not is_importable(name)
    ]


def misconfigured(app: App) -> list[str]:
    """Return what is wrong with the settings of plugins, a sentence for each of these."""
    found: list[str] = []
    for name, status in app.plugins.status.items():
        kind, _, text = status.reason.partition(": ")
        if status.state == "failed" and kind == ConfigError.__name__:
            found.append(f"plugin {name}: {text}")
    return found


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


def _unreachable(app: App) -> Iterator[str]:
    if not app.hooks.implementations("asgi_routes"):
        what = "no plugin serves an address, so that all are answered with 503"
        yield f"{what}: pip install pegboard-transport-http"

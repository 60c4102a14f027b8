"""What is installed and allowed, compared with what is active."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pegboard._config import load_config
from pegboard._discovery import find_plugins
from pegboard._plugin_order import in_order
from pegboard._plugins import why_not
from pegboard._wanted import Wanted
from pegboard.errors import ConfigError

if TYPE_CHECKING:
    from pegboard._app import App
    from pegboard._config import Config
    from pegboard._discovery import PluginCandidate

__all__ = ["changes_of"]

_logger = logging.getLogger("pegboard.reload")


def changes_of(app: App) -> list[Wanted]:
    """Return what to change so that the plugins are those that are installed and allowed.

    What goes, goes first; each plugin whose distribution has changed, and each new one, is a
    change of its own, in the order of their requirements. The status of the others is noted.

    Raises:
        ConfigError: If the manifest is wrong.
    """
    importlib.invalidate_caches()
    newer = load_config(app.project, overrides=app.overrides)
    app.config.reselect(newer)
    installed = {each.name: each for each in find_plugins()}
    _warn_of_sections(app, newer, installed)
    there = _allowed(app, installed)
    active = {name: each.candidate for name, each in app.plugins.active.items()}
    theirs = [each for each in active.values() if not each.unit]
    ordered, refused = in_order([*theirs, *there.values()])
    for candidate, reason in refused:
        app.plugins.status.note(candidate, "failed", reason)
    usable = {each.name: each for each in ordered}
    removed = tuple(name for name, each in active.items() if each.unit and name not in usable)
    changes = [Wanted(removed=removed)] if removed else []
    for name, candidate in usable.items():
        if name not in active:
            changes.append(Wanted(added=(candidate,)))
        elif candidate.unit and candidate != active[name]:
            changes.append(Wanted(replaced=(candidate,)))
    return changes


def _allowed(app: App, installed: dict[str, PluginCandidate]) -> dict[str, PluginCandidate]:
    selection, allowed = app.config.selection("plugins"), {}
    requested = app.requested_plugins
    for name, candidate in installed.items():
        if requested is not None and name not in requested:
            continue
        refusal = why_not(candidate, selection)
        if refusal is None:
            allowed[name] = candidate
        else:
            app.plugins.status.note(candidate, *refusal)
    _forget(app, installed)
    return allowed


def _warn_of_sections(app: App, config: Config, installed: Iterable[str]) -> None:
    """Say now what would keep the app from starting again: settings of what is gone."""
    theirs = [name for name, each in app.plugins.active.items() if not each.candidate.unit]
    try:
        config.check_plugins([*installed, *theirs])
    except ConfigError as error:
        _logger.warning("%s; without that, or without the section, nothing will start again", error)


def _forget(app: App, installed: Iterable[str]) -> None:
    """Forget what was left out for some reason and is not installed any more."""
    for name, status in list(app.plugins.status.items()):
        if status.candidate.unit and name not in installed and status.state != "active":
            del app.plugins.status[name]

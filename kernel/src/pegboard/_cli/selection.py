"""Allowing and denying plugins in the manifest of a project."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from pegboard._catalogue import OFFICIAL_PLUGINS
from pegboard._cli.manifest_edit import with_list
from pegboard._config import Selection, load_config
from pegboard._discovery import find_plugins
from pegboard.errors import ConfigError, NotFoundError

__all__ = ["select"]

MANIFEST = "pegboard.toml"


def select(project: Path, name: str, *, is_wanted: bool) -> Path:
    """Write into the manifest that a plugin may be used, or that it is never imported.

    Args:
        project: The project's folder.
        name: Name of the plugin.
        is_wanted: Whether it may be used.

    Returns:
        The manifest.

    Raises:
        NotFoundError: If no plugin of that name is installed; one of ours can be denied before.
        ConfigError: If the manifest is another file, or written in a way that cannot be changed.
    """
    known = {each.name for each in find_plugins()} | (set() if is_wanted else OFFICIAL_PLUGINS)
    if name not in known:
        close = get_close_matches(name, sorted(known), n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        msg = f"there is no plugin {name!r}: {hint}pegboard plugins lists those that are installed"
        raise NotFoundError(msg)
    path = project / MANIFEST
    if not path.exists() and (project / "tb-manifest.yaml").exists():
        msg = f"tb-manifest.yaml has no list of plugins: write {MANIFEST} in its place"
        raise ConfigError(msg)
    selection = load_config(project).selection("plugins")
    text = path.read_text("utf-8") if path.exists() else ""
    for key, names in _lists(selection, name, is_wanted=is_wanted).items():
        text = with_list(text, "plugins", key, names, place=path)
    path.write_text(text, "utf-8")
    return path


def _lists(selection: Selection, name: str, *, is_wanted: bool) -> dict[str, set[str]]:
    """Return the lists that have to change."""
    deny, allow = set(selection.deny), selection.allow
    wanted = deny - {name} if is_wanted else deny | {name}
    changed = {} if wanted == deny else {"deny": wanted}
    if is_wanted and allow is not None and name not in allow:
        changed["allow"] = {*allow, name}
    return changed

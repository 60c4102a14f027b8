"""The plugin that is checked: where its code is, and what was installed of it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from pegboard._discovery import PLUGIN_GROUP, PluginCandidate, find_plugins
from pegboard.errors import InputError, NotFoundError

__all__ = ["Subject", "find_subject"]


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin that is installed here.

    Attributes:
        candidate: What discovery knows of it.
        folder: Folder of its distribution's source, None where only the installed code is known.
        others: Plugins that it requires, and what those require.
    """

    candidate: PluginCandidate
    folder: Path | None
    others: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of the plugin."""
        return self.candidate.name

    @property
    def package(self) -> str:
        """Top package of its code."""
        return str(self.candidate.target).partition(":")[0].partition(".")[0]

    @property
    def home(self) -> Path:
        """Folder of its package."""
        spec = find_spec(self.package)
        locations = list(spec.submodule_search_locations or ()) if spec else []
        return Path(locations[0])

    @property
    def tests(self) -> Path | None:
        """Folder of its tests, None where there is none."""
        path = None if self.folder is None else self.folder / "tests"
        return path if path is not None and path.is_dir() else None

    @property
    def installed(self) -> Distribution:
        """The distribution as it is installed."""
        return distribution(self.candidate.distribution)


def find_subject(target: str) -> Subject:
    """Return the plugin of a folder, or of a name.

    Args:
        target: Folder with a `pyproject.toml`, name of a plugin, or name of its distribution.

    Raises:
        InputError: If the folder is not that of a distribution with one plugin.
        NotFoundError: If no such plugin is installed.
    """
    installed = {each.name: each for each in find_plugins()}
    folder = Path(target)
    if (folder / "pyproject.toml").is_file():
        name = _declared(folder / "pyproject.toml")
        if name not in installed:
            msg = f'plugin {name} is not installed here: pip install -e "{target}"'
            raise NotFoundError(msg)
        return _subject(installed[name], folder.resolve(), installed)
    for each in installed.values():
        if target in {each.name, each.distribution}:
            return _subject(each, None, installed)
    names = ", ".join(sorted(installed)) or "none"
    msg = f"{target} is no folder with a pyproject.toml, and no plugin of that name is installed; "
    raise NotFoundError(f"{msg}installed: {names}")


def _declared(path: Path) -> str:
    """Return the name of the one plugin that a `pyproject.toml` declares."""
    try:
        project = tomllib.loads(path.read_text(encoding="utf-8")).get("project", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path} is not valid TOML: {error}"
        raise InputError(msg) from error
    names = list(project.get("entry-points", {}).get(PLUGIN_GROUP, {}))
    if len(names) != 1:
        msg = (
            f'{path} has to name one plugin in [project.entry-points."{PLUGIN_GROUP}"], '
            f"and names {len(names)}"
        )
        raise InputError(msg)
    return str(names[0])


def _subject(
    candidate: PluginCandidate, folder: Path | None, installed: Mapping[str, PluginCandidate]
) -> Subject:
    others = dict.fromkeys(_required(candidate, installed, {candidate.name}))
    return Subject(candidate=candidate, folder=folder, others=tuple(others))


def _required(
    candidate: PluginCandidate, installed: Mapping[str, PluginCandidate], seen: set[Any]
) -> Iterator[str]:
    """Yield what a plugin requires, what that requires first; one of several givers is enough."""
    for need in candidate.manifest.requires if candidate.manifest else ():
        for each in installed.values():
            gives = (each.name, *(each.manifest.provides if each.manifest else ()))
            if need in gives and each.name not in seen:
                seen.add(each.name)
                yield from _required(each, installed, seen)
                yield each.name
                break

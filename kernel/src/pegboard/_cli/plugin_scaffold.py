"""A new plugin: a distribution that passes its own tests as it is."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

import msgspec

from pegboard import __version__
from pegboard._catalogue import OFFICIAL_PLUGINS
from pegboard.errors import ConflictError, InputError
from pegboard.hookspecs import API_VERSION

__all__ = ["PluginNames", "new_plugin", "plugin_files"]

ENDING = ".in"
"""What the names of the template's files end with, so that no tool takes them for code."""

LONGEST = 30  # characters of a name: longer ones would break the lines of the template

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


class PluginNames(msgspec.Struct, frozen=True):
    """What a plugin is called in each place.

    Attributes:
        name: Name of the plugin, such as `rate_meter`.
    """

    name: str

    @classmethod
    def read(cls, text: str) -> PluginNames:
        """Return the names of a plugin that is called as its name or its distribution.

        Raises:
            InputError: If a plugin cannot be called so.
        """
        name = text.replace("-", "_").removeprefix("pegboard_")
        if not _NAME.fullmatch(name) or keyword.iskeyword(name) or len(name) > LONGEST:
            msg = (
                f"{text!r} cannot be the name of a plugin: take up to {LONGEST} small letters, "
                "digits and underscores, beginning with a letter, and no word of Python"
            )
            raise InputError(msg)
        if name in OFFICIAL_PLUGINS:
            msg = f"{name} is a plugin that Pegboard brings itself: choose another name"
            raise InputError(msg)
        return cls(name)

    @property
    def package(self) -> str:
        """What it is imported as."""
        return f"pegboard_{self.name}"

    @property
    def distribution(self) -> str:
        """What it is installed as."""
        return self.package.replace("_", "-")


def new_plugin(folder: Path, names: PluginNames) -> Path:
    """Make the folder of a distribution below `folder` and return its path.

    Raises:
        ConflictError: If there is a folder of that name.
    """
    target = folder / names.distribution
    try:
        target.mkdir(parents=True)
    except FileExistsError as error:
        msg = f"{target} is there already: choose another name, or another place with --folder"
        raise ConflictError(msg) from error
    for name, text in plugin_files(names):
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return target


def plugin_files(names: PluginNames) -> Iterator[tuple[str, str]]:
    """Yield path and text of each file of a new plugin."""
    values = {
        "api": str(API_VERSION),
        "distribution": names.distribution,
        "name": names.name,
        "package": names.package,
        **_versions(),
    }
    for name, text in _template(files("pegboard._cli") / "plugin_template"):
        yield name.replace("__package__", names.package), Template(text).substitute(values)


def _template(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, str]]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from _template(each, f"{prefix}{each.name}/")
        elif each.name.endswith(ENDING):
            name = each.name.removesuffix(ENDING)
            yield prefix + name.replace("gitignore", ".gitignore"), each.read_text("utf-8")


def _versions() -> dict[str, str]:
    """Return the version of this kernel, and the first one that may be incompatible with it."""
    major, minor = map(int, __version__.split(".")[:2])
    following = f"{major}.{minor + 1}" if major == 0 else str(major + 1)
    return {"minor": f"{major}.{minor}", "following": following}

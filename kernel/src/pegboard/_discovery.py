"""What plugins and mods there are, found without importing any of them."""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Iterator
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Literal
from zlib import crc32

import msgspec

from pegboard.errors import PluginError

__all__ = [
    "ModCandidate",
    "PluginCandidate",
    "PluginManifest",
    "find_mods",
    "find_plugins",
    "folder_mods",
    "is_importable",
    "mod_paths",
]

PLUGIN_GROUP = "pegboard.plugins"
MOD_GROUP = "pegboard.mods"
MANIFEST_NAME = "plugin.toml"
PROJECT_PREFIX = "pegboard_project_"


class PluginManifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `plugin.toml`, beside the plugin's code, says of it before it is imported.

    Attributes:
        api: Version of the hooks that it was written for.
        summary: One line for people.
        provides: Capabilities that it gives, besides its own name.
        requires: Capabilities or plugins without which it is not activated.
        after: Capabilities or plugins that are activated first where they are there.
        commands: Names of the commands that it adds to `pegboard`.
        reload: Whether its code can be replaced in the running process, old and new one being
            active beside each other for a moment, or needs a `restart`.
    """

    api: int
    summary: str = ""
    provides: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    reload: Literal["generation", "restart"] = "generation"


class PluginCandidate(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin that could be activated.

    Attributes:
        name: Its name.
        manifest: What it says of itself, None where that cannot be read.
        target: `module:object` to import, or the object itself.
        distribution: Name of the distribution that brings it.
        version: Version of the distribution.
        problem: Why its manifest cannot be read.
    """

    name: str
    manifest: PluginManifest | None
    target: Any
    distribution: str = ""
    version: str = ""
    problem: str = ""

    @property
    def unit(self) -> str:
        """The package that its code is in, empty for an object of the caller's."""
        target = self.target if isinstance(self.target, str) else ""
        return target.partition(":")[0].partition(".")[0]

    def load(self) -> Any:
        """Import the plugin object.

        Raises:
            PluginError: If there is no such object.
            Exception: Whatever the import raises.
        """
        if not isinstance(self.target, str):
            return self.target
        module, _, attribute = self.target.partition(":")
        loaded = import_module(module)
        try:
            return getattr(loaded, attribute) if attribute else loaded
        except AttributeError as error:
            raise PluginError(f"plugin {self.name}: {module} has no {attribute!r}") from error


class ModCandidate(msgspec.Struct, frozen=True, kw_only=True):
    """A mod that could be loaded.

    Attributes:
        name: Its name: file or folder without ending, or name of the entry point.
        module: Name that it is imported under.
        path: Source file, for a mod of the project's folder.
        loaded: The module itself, where the caller has imported it.
        origin: Where it was found, for people.
        version: Version of the distribution that brings it.
    """

    name: str
    module: str
    path: Path | None = None
    loaded: ModuleType | None = None
    origin: str = ""
    version: str = ""


def find_plugins() -> list[PluginCandidate]:
    """Return the plugins of all installed distributions, by name."""
    found = {}
    for entry in _entry_points(PLUGIN_GROUP):
        manifest, problem = _manifest(entry.module)
        distribution = entry.dist
        found[entry.name] = PluginCandidate(
            name=entry.name,
            manifest=manifest,
            target=entry.value,
            distribution=distribution.name if distribution else "",
            version=distribution.version if distribution else "",
            problem=problem,
        )
    return [found[name] for name in sorted(found)]


def reread(candidate: PluginCandidate) -> PluginCandidate:
    """Return a candidate with its manifest as it is on disk now."""
    if not isinstance(candidate.target, str):
        return candidate
    manifest, problem = _manifest(candidate.target.partition(":")[0])
    return msgspec.structs.replace(candidate, manifest=manifest, problem=problem)


def in_process_plugin(plugin: object) -> PluginCandidate:
    """Return a candidate for a plugin object; it may have a `manifest` and a `name`."""
    name = getattr(plugin, "name", None) or type(plugin).__name__.lower()
    manifest = getattr(plugin, "manifest", None) or PluginManifest(api=1)
    return PluginCandidate(name=name, manifest=manifest, target=plugin)


def find_mods(project: Path | None) -> list[ModCandidate]:
    """Return the mods of the project's folder `mods`, then those of installed distributions."""
    found: dict[str, ModCandidate] = {}
    for entry in sorted(_entry_points(MOD_GROUP), key=lambda each: each.name):
        origin = entry.dist.name if entry.dist else entry.value
        version = entry.dist.version if entry.dist else ""
        found[entry.name] = ModCandidate(
            name=entry.name, module=entry.value, origin=origin, version=version
        )
    found.update({mod.name: mod for mod in folder_mods(project)})
    return list(found.values())


def folder_mods(project: Path | None) -> list[ModCandidate]:
    """Return the mods of the project's folder `mods`.

    Raises:
        OSError: If the folder cannot be read.
    """
    paths = [] if project is None else mod_paths(project / "mods")
    return [mod_at(path) for name, path in paths if is_importable(name)]


def mod_at(path: Path) -> ModCandidate:
    """Return a candidate for a file or package folder.

    Raises:
        FileNotFoundError: If there is neither.
    """
    source = path / "__init__.py" if path.is_dir() else path
    if not source.is_file():
        raise FileNotFoundError(f"{path} is neither a Python file nor a package")
    name = path.name.removesuffix(".py")
    return ModCandidate(
        name=name, module=f"{package_for(path.parent)}.{name}", path=source, origin=str(path)
    )


def package_for(folder: Path) -> str:
    """Return the name of the package that the mods of a folder are imported in.

    It differs from folder to folder, so that two apps in one process can each have a `hello`.
    """
    checksum = crc32(str(folder.resolve()).encode())
    return f"{PROJECT_PREFIX}{checksum:08x}"


def mod_paths(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files and packages in a folder of mods, with their names."""
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.name.startswith(("_", ".")):
            continue
        if path.suffix == ".py" or (path / "__init__.py").is_file():
            yield path.name.removesuffix(".py"), path


def is_importable(name: str) -> bool:
    """Whether a module can have this name."""
    return name.isidentifier() and not keyword.iskeyword(name)


def _entry_points(group: str) -> Iterable[Any]:
    from importlib.metadata import entry_points  # here, since it takes 20 ms

    return entry_points(group=group)


def _manifest(module: str) -> tuple[PluginManifest | None, str]:
    root = module.partition(".")[0]
    try:
        spec = find_spec(root)
    except ValueError:  # it is imported and says of itself that it has none
        spec = None
    locations = list(spec.submodule_search_locations or ()) if spec else []
    if not locations:
        return None, f"package {root} is not importable"
    path = Path(locations[0], MANIFEST_NAME)
    try:
        return msgspec.toml.decode(path.read_bytes(), type=PluginManifest), ""
    except FileNotFoundError:
        return None, f"{root} has no {MANIFEST_NAME}"
    except (OSError, ValueError, msgspec.DecodeError) as error:
        return None, f"{path}: {error}"

"""Settings from the manifest, the environment and the caller, each with its origin.

What is given to `App(config=...)` wins over the environment (`PEGBOARD_...`), which wins over the
manifest (`pegboard.toml`, or `tb-manifest.yaml` where PyYAML is installed), which wins over the
defaults.
"""

from __future__ import annotations

import os
import re
import typing
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from pegboard.errors import ConfigError

__all__ = ["AccessSettings", "AppSettings", "Config", "did_you_mean", "load_config"]

S = TypeVar("S", bound=msgspec.Struct)

ENVIRONMENT_PREFIX = "PEGBOARD_"
MANIFESTS = ("pegboard.toml", "tb-manifest.yaml")
ROOT_SECTIONS = ("app", "plugins", "mods", "access", "serve")

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::([^}]*))?\}")


class AppSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Section `[app]`.

    Attributes:
        name: Name of the app.
        dev: Whether errors are shown to clients with their traceback.
        log_level: Least severe level that is logged.
        threads: Most plain functions that run at once, each in a worker thread.
        data: Folder for data, relative to the project.
    """

    name: str = "pegboard"
    dev: bool = False
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    threads: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 40
    data: str = ".pegboard"


class AccessSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Section `[access]`: who may call what from outside.

    Attributes:
        default_level: Level of exports that name none; 0 opens them to everyone.
        open_modules: Mods whose exports without a level are open to everyone.
        protected_modules: Mods whose exports without a level need a signed-in caller.
        open_prefix: Whether exports without a level whose name begins with `open` are open to
            everyone, unless their mod is protected.
    """

    default_level: Annotated[int, msgspec.Meta(ge=0)] = 0
    open_modules: tuple[str, ...] = ()
    protected_modules: tuple[str, ...] = ()
    open_prefix: bool = False


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which plugins or mods are taken: sections `[plugins]` and `[mods]`.

    Attributes:
        allow: Names that may be loaded; None means all that are found.
        deny: Names that are never imported.
    """

    allow: tuple[str, ...] | None = None
    deny: tuple[str, ...] = ()

    def why_not(self, name: str) -> str | None:
        """Return why a name is left out, None if it is taken."""
        if name in self.deny:
            return "denied by the configuration"
        if self.allow is not None and name not in self.allow:
            return "not in the allow list"
        return None


class Config:
    """All settings of one app.

    Attributes:
        origins: Where each value came from, by dotted name: a file, a variable, the caller.
        sections: The sections that were read so far.

    Args:
        values: Nested values; a dotted name leads to each.
        origins: The same as the attribute.
    """

    def __init__(self, values: dict[str, Any], origins: dict[str, str]) -> None:
        self.origins = origins
        self.sections: dict[str, msgspec.Struct] = {}
        self._values = values

    def section(self, name: str, kind: type[S]) -> S:
        """Return the section `name` as `kind`, defaults filled in.

        Raises:
            ConfigError: If a key is unknown or a value does not fit, naming it and its origin.
        """
        return self._section(name, kind, self._lookup(name))

    def _section(self, name: str, kind: type[S], values: dict[str, Any]) -> S:
        known = typing.get_type_hints(kind, include_extras=True)
        for key in values:
            if key not in known:
                place = f"{name}.{key}"
                what = f"unknown setting {place} (from {self.origin(place)})"
                raise ConfigError(f"{what}; known: {_names(known)}{did_you_mean(key, known)}")
        typed = {key: self._value(name, key, each, known[key]) for key, each in values.items()}
        try:
            settings = msgspec.convert(typed, kind)
        except msgspec.ValidationError as error:
            text, _, key = str(error).partition(" - at `$.")
            place = f"{name}.{key.rstrip('`')}" if key else name
            raise ConfigError(f"setting {place} (from {self.origin(place)}): {text}") from error
        self.sections[name] = settings
        return settings

    def selection(self, name: str) -> Selection:
        """Return the allow and deny lists of `plugins` or `mods`.

        Raises:
            ConfigError: If a key is unknown, or a list is not a list of names.
        """
        has_tables = name == "plugins"  # a table in there is that of one plugin
        values = self._lookup(name).items()
        own = {key: each for key, each in values if not (has_tables and isinstance(each, dict))}
        return self._section(name, Selection, own)

    def reselect(self, newer: Config) -> None:
        """Take the allow and deny lists of a configuration that was read again."""
        for section in ("plugins", "mods"):
            lists = self._values.setdefault(section, {})
            for key in ("allow", "deny"):
                place, found = f"{section}.{key}", newer._lookup(section)
                lists.pop(key, None)
                self.origins.pop(place, None)
                if key in found:
                    lists[key] = found[key]
                    self.origins[place] = newer.origin(place)

    def origin(self, name: str) -> str:
        """Return where a setting came from."""
        found = [self.origins[each] for each in self.origins if each.startswith(f"{name}.")]
        return self.origins.get(name) or next(iter(found), "default")

    def check_plugins(self, names: Iterable[str]) -> None:
        """Make sure that each section `[plugins.NAME]` is that of a plugin that exists.

        A `tb-manifest.yaml` has sections for parts that need not be installed.

        Raises:
            ConfigError: If one is not.
        """
        known = set(names)
        for key, value in self._lookup("plugins").items():
            is_translated = self.origin(f"plugins.{key}").endswith(MANIFESTS[1])
            if isinstance(value, dict) and key not in known and not is_translated:
                raise ConfigError(
                    f"section plugins.{key} (from {self.origin(f'plugins.{key}')}) is for a plugin "
                    f"that is not installed; installed: {_names(known) or 'none'}"
                    f"{did_you_mean(key, known)}"
                )

    def _lookup(self, name: str) -> dict[str, Any]:
        values: Any = self._values
        for part in name.split("."):
            values = values.get(part, {}) if isinstance(values, dict) else {}
        if not isinstance(values, dict):
            raise ConfigError(f"setting {name} (from {self.origin(name)}) has to be a section")
        return values

    def _value(self, section: str, key: str, value: Any, kind: Any) -> Any:
        is_text = isinstance(value, str)
        if not is_text or not self.origin(f"{section}.{key}").startswith("environment"):
            return value
        if value == "null" and type(None) in _alternatives(kind):
            return None
        if _is_list(kind):
            return [part.strip() for part in value.split(",") if part.strip()]
        try:
            return msgspec.convert(value, kind, strict=False)
        except msgspec.ValidationError:
            return value


def load_config(
    project: Path | None,
    *,
    overrides: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Config:
    """Read the settings of a project.

    Args:
        project: Folder with the manifest, or None for none.
        overrides: Nested settings that win over all others.
        environment: Environment variables, those of the process by default.

    Raises:
        ConfigError: If the manifest cannot be read or has an unknown section.
    """
    environment = os.environ if environment is None else environment
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    manifest, source = _read_manifest(project, environment)
    fill = partial(_interpolated, environment=environment, source=source)
    _merge(values, origins, manifest, source, fill=fill)
    for name, text in environment.items():
        if name.startswith(ENVIRONMENT_PREFIX) and "__" in name:
            path = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
            _merge(values, origins, _nested(path, text), f"environment {name}")
    _merge(values, origins, dict(overrides or {}), "caller")
    config = Config(values, origins)
    for section in values:
        if section not in ROOT_SECTIONS:
            place = f"unknown section {section!r} (from {config.origin(section)})"
            raise ConfigError(f"{place}; known: {_names(ROOT_SECTIONS)}")
    return config


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of a sentence that asks for the name which was meant, if one is close."""
    from difflib import get_close_matches  # for who has made a mistake only

    close = get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _read_manifest(
    project: Path | None, environment: Mapping[str, str]
) -> tuple[dict[str, Any], str]:
    if project is None:
        return {}, "default"
    for name in MANIFESTS:
        path = project / name
        if path.is_file():
            values = _read_toml(path) if name == MANIFESTS[0] else _read_yaml(path, environment)
            return values, str(path)
    return {}, "default"


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return msgspec.toml.decode(path.read_bytes(), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error


def _read_yaml(path: Path, environment: Mapping[str, str]) -> dict[str, Any]:
    try:
        yaml = import_module("yaml")
    except ImportError as error:
        raise ConfigError(f"reading {path} needs PyYAML: pip install 'pegboard[yaml]'") from error
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from error
    manifest = import_module("pegboard._manifest")
    values: dict[str, Any] = manifest.translated(
        loaded, str(path), fill=partial(_interpolated, environment=environment, source=str(path))
    )
    return values


def _interpolated(value: Any, environment: Mapping[str, str], source: str) -> Any:
    if isinstance(value, dict):
        return {key: _interpolated(each, environment, source) for key, each in value.items()}
    if isinstance(value, list):
        return [_interpolated(each, environment, source) for each in value]
    if not isinstance(value, str) or not _VARIABLE.search(value):
        return value

    def replacement(match: re.Match[str]) -> str:
        default: str | None = match[2]
        found = environment.get(match[1], default)
        if found is None:
            raise ConfigError(f"{source}: ${{{match[1]}}} is not set and has no default")
        return found

    return _VARIABLE.sub(replacement, value)


def _merge(
    values: dict[str, Any],
    origins: dict[str, str],
    more: Mapping[str, Any],
    origin: str,
    prefix: str = "",
    *,
    fill: Callable[[Any], Any] = lambda value: value,
) -> None:
    """Put more values over those that are there, and note their origin.

    A text that `fill` has changed came from the environment: no more than a variable does it know
    of types.
    """
    for key, value in more.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            inner = values.setdefault(key, {})
            if isinstance(inner, dict):
                _merge(inner, origins, value, origin, f"{name}.", fill=fill)
                continue
        values[key] = fill(value)
        is_filled = isinstance(value, str) and values[key] != value
        origins[name] = f"environment, by {origin}" if is_filled else origin


def _nested(path: list[str], value: str) -> dict[str, Any]:
    nested: Any = value
    for part in reversed(path):
        nested = {part: nested}
    return typing.cast("dict[str, Any]", nested)


def _alternatives(kind: Any) -> tuple[Any, ...]:
    return typing.get_args(kind) if typing.get_origin(kind) is not tuple else (kind,)


def _is_list(kind: Any) -> bool:
    return any(
        typing.get_origin(each) in (list, tuple, set, frozenset)
        for each in (kind, *_alternatives(kind))
    )


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))

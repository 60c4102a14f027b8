"""`tb-manifest.yaml`, the manifest of the spec documents, read as settings of Pegboard.

The sections that Pegboard has a setting for are translated; those that are about parts that it
does not have (a reverse proxy, a desktop shell, ...) are known and left alone; any other name is a
mistake.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from pegboard.errors import ConfigError

__all__ = ["translated"]

TRANSLATED = {
    "app.name": "app.name",
    "app.debug": "app.dev",
    "app.log_level": "app.log_level",
    "database.mode": "plugins.storage.mode",
    "database.redis.url": "plugins.storage_cloud.redis_url",
    "database.redis.username": "plugins.storage_cloud.redis_username",
    "database.redis.password": "plugins.storage_cloud.redis_password",
    "database.minio.endpoint": "plugins.storage_cloud.s3_endpoint",
    "database.minio.bucket": "plugins.storage_cloud.s3_bucket",
    "database.minio.access_key": "plugins.storage_cloud.s3_access_key_id",
    "database.minio.secret_key": "plugins.storage_cloud.s3_secret_access_key",
    "mods.open_modules": "access.open_modules",
    "workers.http[0].host": "serve.host",
    "workers.http[0].port": "serve.port",
    "workers.http[0].workers": "serve.workers",
}
"""Dotted names there and here."""

_SECTION_NAMES = (
    "app auth autostart database environments features manifest_version mods nginx observability "
    "paths registry services toolbox utilities workers"
)
SECTIONS = frozenset(_SECTION_NAMES.split())
"""All sections that such a manifest may have."""

_PART = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def translated(
    manifest: Any, source: str, *, fill: Callable[[Any], Any] = lambda value: value
) -> dict[str, Any]:
    """Return the settings that a manifest makes, its environment's overrides applied.

    Args:
        manifest: The decoded file.
        source: Its path, for messages.
        fill: Puts the values of variables into a text.

    Raises:
        ConfigError: If it is no mapping, a section is unknown, or an override does not lead
            anywhere.
    """
    _check_mapping(manifest, source)
    unknown = sorted(set(manifest) - SECTIONS)
    if unknown:
        raise ConfigError(f"{source}: unknown section {unknown[0]!r}; known: {sorted(SECTIONS)}")
    values = dict(manifest)
    environment = fill(_get(values, "app.environment")) or "development"
    overrides = _get(values, f"environments.{environment}") or {}
    _check_mapping(overrides, f"{source}: environments.{environment}")
    for path, value in overrides.items():
        values = _replaced(values, _parts(path), value, f"{source}: environments.{path}")
    settings: dict[str, Any] = {}
    for there, here in TRANSLATED.items():
        found = _get(values, there)
        if found not in (None, [], ""):
            settings = _replaced(settings, _parts(here), found, source)
    return settings


def _check_mapping(value: Any, place: str) -> None:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{place} has to be a mapping, not {type(value).__name__}")


def _parts(path: str) -> list[str | int]:
    return [int(index) if index else name for name, index in _PART.findall(path)]


def _get(values: Any, path: str) -> Any:
    for part in _parts(path):
        if isinstance(part, int):
            values = values[part] if isinstance(values, list) and part < len(values) else None
        else:
            values = values.get(part) if isinstance(values, Mapping) else None
    return values


def _replaced(values: Any, parts: list[str | int], value: Any, place: str) -> Any:
    """Return a copy of nested values with one of them replaced."""
    if not parts:
        return value
    part, rest = parts[0], parts[1:]
    if isinstance(part, int):
        if not isinstance(values, list) or part >= len(values):
            raise ConfigError(f"{place}: there is no item {part}")
        return [*values[:part], _replaced(values[part], rest, value, place), *values[part + 1 :]]
    if values is not None and not isinstance(values, Mapping):
        raise ConfigError(f"{place}: {part!r} is not in a section")
    inner = dict(values or {})
    return {**inner, part: _replaced(inner.get(part), rest, value, place)}

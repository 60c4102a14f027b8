"""The settings of an app as they are shown: each with its origin, secrets hidden."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from pegboard._config import Config

__all__ = ["masked", "settings_of"]

MASK = "***"

SECRET_WORDS = ("secret", "password", "passphrase", "token", "credential", "_key")
"""Parts of names; `_key` leaves `keyfile` alone, which is a path."""

_USER_INFO = re.compile(r"(\b[\w+.-]+://[^\s:/@?#]*:)[^\s?#]*@")
_PARAMETER = re.compile(
    r"([?&;][\w-]*(?:secret|password|token|sig|api_key|access_key)\w*=)[^&;\s]+", re.IGNORECASE
)


def settings_of(config: Config) -> list[dict[str, Any]]:
    """Return name, value and origin of every setting that was read so far, by name."""
    found = [
        (f"{section}.{field}", masked(field, value))
        for section, struct in config.sections.items()
        for field, value in msgspec.structs.asdict(struct).items()
    ]
    return [
        {"name": name, "value": value, "origin": config.origin(name)}
        for name, value in sorted(found, key=lambda each: each[0])
    ]


def masked(name: str, value: Any) -> Any:
    """Return a value with its secrets hidden, at any depth; one that is empty is shown.

    Args:
        name: What the value is called; parts of it tell a secret.
        value: A setting: builtins, or a struct of settings.
    """
    if value and any(word in name.lower() for word in SECRET_WORDS):
        return MASK
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, Mapping):
        return {key: masked(str(key), each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        if name.endswith("_command") and len(value) > 1:
            return [value[0], MASK]  # arguments of a program that prints secrets may be such
        return [masked("", each) for each in value]
    if isinstance(value, str):
        return _PARAMETER.sub(rf"\1{MASK}", _USER_INFO.sub(rf"\1{MASK}@", value))
    return value

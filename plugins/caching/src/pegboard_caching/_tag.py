"""The tags of an answer, from what the author wrote and the arguments of the call."""

from __future__ import annotations

from string import Formatter
from typing import TYPE_CHECKING, Any

from pegboard.errors import ConfigError

if TYPE_CHECKING:
    from pegboard import Export
    from pegboard_caching._key import CallKey

__all__ = ["Tags"]


class Tags:
    """Makes the tags of the answers of one export.

    Args:
        templates: Tags, in which `{name}` stands for an argument.
        key: Binds arguments.
        export: The export.

    Raises:
        ConfigError: If a tag names no argument of the export.
    """

    def __init__(self, templates: tuple[str, ...], key: CallKey, export: Export) -> None:
        self._templates = templates
        self._key = key
        self._are_fixed = True
        for template in templates:
            names = _names(template, export)
            self._are_fixed = self._are_fixed and not names
            unknown = names - export.binding.signature.parameters.keys()
            if unknown:
                msg = (
                    f"{export.address}: cache_tags={template!r} names {min(unknown)!r}, "
                    "which is no argument of it"
                )
                raise ConfigError(msg)

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, ...]:
        """Return the tags of a call whose arguments fit."""
        if self._are_fixed:
            return self._templates
        arguments = self._key.arguments(args, kwargs)
        return tuple(template.format_map(arguments) for template in self._templates)


def _names(template: str, export: Export) -> set[str]:
    try:
        return {name for _, name, _, _ in Formatter().parse(template) if name is not None}
    except ValueError as error:
        msg = f"{export.address}: cache_tags={template!r} is malformed: {error}"
        raise ConfigError(msg) from error

"""What the plugins of an app serve, put together."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pegboard.contracts.asgi import Route, Router
from pegboard.errors import ConfigError

__all__ = ["joined"]


def joined(
    offered: Iterable[tuple[str, Iterable[Route]]], refuse: Callable[[str, ConfigError], None]
) -> list[Route]:
    """Return the routes of all plugins.

    Args:
        offered: Each plugin with its routes.
        refuse: Called with a plugin whose routes are wrong, or served by another already; they are
            left out unless it raises.
    """
    routes: list[Route] = []
    taken: dict[tuple[str, str], str] = {}
    for plugin, theirs in offered:
        try:
            own = _checked(plugin, theirs, taken)
        except ConfigError as error:
            refuse(plugin, error)
        else:
            taken.update({(each.kind, each.prefix): plugin for each in own})
            routes.extend(own)
    return routes


def _checked(
    plugin: str, offered: Iterable[Route], taken: dict[tuple[str, str], str]
) -> list[Route]:
    try:
        routes = list(offered)
        Router(routes)
    except (AttributeError, TypeError, ValueError) as error:
        raise ConfigError(f"plugin {plugin}: {error}") from error
    for route in routes:
        other = taken.get((route.kind, route.prefix))
        if other is not None:
            raise ConfigError(f"{other} and {plugin} both serve {route.kind} {route.prefix}")
    return routes

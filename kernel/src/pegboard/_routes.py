"""What the plugins of an app serve, put together."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pegboard.contracts.asgi import Route, Router
from pegboard.errors import ConfigError

if TYPE_CHECKING:
    from pegboard._app import App
    from pegboard._hooks import HookCaller

__all__ = ["routes_of"]


def routes_of(app: App, hooks: HookCaller, *, is_strict: bool) -> list[Route]:
    """Return the routes that plugins would serve.

    Args:
        app: The app.
        hooks: Asks the plugins.
        is_strict: Whether a mistake is an error; else the plugin that makes it loses its routes,
            and has failed.

    Raises:
        ConfigError: If two of them claim one, or one is wrong.
    """
    routes: list[Route] = []
    taken: dict[tuple[str, str], str] = {}
    serving = app.request_hooks
    app.request_hooks = hooks.implementations("handle_request")  # what transports look at
    try:
        for plugin, offered in hooks.all("asgi_routes", app=app):
            try:
                own = _checked(plugin, offered, taken)
            except ConfigError as error:
                if is_strict:
                    raise
                status = app.plugins.status[plugin]
                status.state, status.reason = "failed", str(error)
                app.logger.error("%s", error)  # noqa: TRY400 - the sentence says it all
            else:
                taken.update({(each.kind, each.prefix): plugin for each in own})
                routes.extend(own)
    finally:
        app.request_hooks = serving
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

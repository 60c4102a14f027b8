"""What our own plugins bring, so that an error can name what to install for it."""

from __future__ import annotations

from typing import NamedTuple

from pegboard.errors import MissingPluginError

__all__ = [
    "KNOWN_ATTRIBUTES",
    "KNOWN_COMMANDS",
    "KNOWN_OPTIONS",
    "OFFICIAL_PLUGINS",
    "distribution_of",
    "missing_plugin",
]


class _Brought(NamedTuple):
    """What a plugin brings, names with blanks between them."""

    options: str = ""
    commands: str = ""
    attributes: str = ""


_CATALOGUE = {
    "auth": _Brought(options="rate_limit", commands="users"),
    "caching": _Brought(
        options="memory_cache memory_cache_max_size memory_cache_ttl file_cache file_cache_ttl "
        "cache_per_user cache_stale cache_tags",
        attributes="cache",
    ),
    "files": _Brought(commands="backup files"),
    "hot_reload": _Brought(),
    "jobs": _Brought(options="background job", commands="jobs worker", attributes="jobs"),
    "locking": _Brought(options="lock lock_shared lock_timeout", attributes="lock"),
    "server_hypercorn": _Brought(),
    "server_uvicorn": _Brought(),
    "storage": _Brought(commands="storage", attributes="get_ctx set_ctx"),
    "storage_cloud": _Brought(commands="outbox"),
    "storage_local": _Brought(),
    "transport_http": _Brought(options="listed page"),
    "transport_ws": _Brought(
        options="websocket_context websocket_handler",
        attributes="ws_broadcast ws_close ws_connections ws_join ws_leave ws_send",
    ),
    "web_client": _Brought(commands="client"),
}

OFFICIAL_PLUGINS = frozenset(_CATALOGUE)
"""Plugins whose distribution is `pegboard-` and their name."""

KNOWN_OPTIONS = {name: key for key, each in _CATALOGUE.items() for name in each.options.split()}
"""`@export` keywords of plugins that may not be there, with the plugin."""

KNOWN_COMMANDS = {name: key for key, each in _CATALOGUE.items() for name in each.commands.split()}
"""Commands of plugins that may not be there."""

KNOWN_ATTRIBUTES = {
    name: key for key, each in _CATALOGUE.items() for name in each.attributes.split()
}
"""Attributes that plugins give to an app."""


def distribution_of(plugin: str) -> str:
    """Return the distribution that brings a plugin of ours."""
    return f"pegboard-{plugin.replace('_', '-')}"


def missing_plugin(what: str, name: str) -> MissingPluginError:
    """Return the error that says which distribution to install."""
    return MissingPluginError(what, distribution_of(name))

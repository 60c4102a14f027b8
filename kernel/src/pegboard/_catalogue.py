"""What our own plugins bring, so that an error can name what to install for it."""

from __future__ import annotations

__all__ = ["KNOWN_ATTRIBUTES", "KNOWN_COMMANDS", "KNOWN_OPTIONS", "OFFICIAL_PLUGINS"]

OFFICIAL_PLUGINS = frozenset(
    {
        "auth",
        "caching",
        "files",
        "hot_reload",
        "jobs",
        "locking",
        "server_hypercorn",
        "server_uvicorn",
        "storage",
        "storage_cloud",
        "storage_local",
        "transport_http",
        "transport_ws",
        "web_client",
    }
)
"""Plugins whose distribution is `pegboard-` and their name."""

KNOWN_OPTIONS = {
    "background": "pegboard-jobs",
    "cache_per_user": "pegboard-caching",
    "cache_stale": "pegboard-caching",
    "cache_tags": "pegboard-caching",
    "file_cache": "pegboard-caching",
    "file_cache_ttl": "pegboard-caching",
    "job": "pegboard-jobs",
    "listed": "pegboard-transport-http",
    "lock": "pegboard-locking",
    "lock_shared": "pegboard-locking",
    "lock_timeout": "pegboard-locking",
    "memory_cache": "pegboard-caching",
    "memory_cache_max_size": "pegboard-caching",
    "memory_cache_ttl": "pegboard-caching",
    "page": "pegboard-transport-http",
    "rate_limit": "pegboard-auth",
    "websocket_context": "pegboard-transport-ws",
    "websocket_handler": "pegboard-transport-ws",
}
"""`@export` keywords of plugins that may not be there."""

KNOWN_COMMANDS = {
    "backup": "files",
    "client": "web_client",
    "files": "files",
    "jobs": "jobs",
    "outbox": "storage_cloud",
    "storage": "storage",
    "users": "auth",
    "worker": "jobs",
}
"""Commands of plugins that may not be there."""

KNOWN_ATTRIBUTES = {
    "cache": "pegboard-caching",
    "get_ctx": "pegboard-storage",
    "jobs": "pegboard-jobs",
    "lock": "pegboard-locking",
    "set_ctx": "pegboard-storage",
    **dict.fromkeys(
        ("ws_broadcast", "ws_close", "ws_connections", "ws_join", "ws_leave", "ws_send"),
        "pegboard-transport-ws",
    ),
}
"""Attributes that plugins give to an app."""

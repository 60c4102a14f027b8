"""The `@export` keywords of this plugin."""

from __future__ import annotations

from typing import Annotated

import msgspec

__all__ = ["CacheOptions"]


class CacheOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Keep the answers of an export: those that succeed and hold data, by their arguments.

    Attributes:
        memory_cache: Whether answers are kept in the memory of the process.
        memory_cache_max_size: Most answers that are kept; the one unused for longest goes first.
        memory_cache_ttl: Seconds that an answer is kept in memory.
        file_cache: Whether answers are kept on disk, for all processes and their successors.
        file_cache_ttl: Seconds that an answer is kept on disk; 0 for as long as there is room.
        cache_stale: Seconds for which an answer that is too old is still given, while a new one
            is made in the background.
        cache_per_user: Whether each user has answers of their own. An export that takes the
            request cannot be cached without it.
        cache_tags: Names by which answers are forgotten together; `{name}` in one stands for the
            argument of that name.
    """

    memory_cache: bool = False
    memory_cache_max_size: Annotated[int, msgspec.Meta(ge=1)] = 100
    memory_cache_ttl: Annotated[float, msgspec.Meta(gt=0)] = 300.0
    file_cache: bool = False
    file_cache_ttl: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    cache_stale: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    cache_per_user: bool = False
    cache_tags: tuple[str, ...] = ()

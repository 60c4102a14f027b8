"""The cached functions of the developer guide, which need the caching plugin."""

from pegboard import Result, get_app

export = get_app("Cached").tb


@export(mod_name="Cached", memory_cache=True, memory_cache_max_size=100, memory_cache_ttl=300)
def cached_function(key):
    return Result.ok(data=key)


@export(mod_name="Cached", file_cache=True)
def file_cached_function(key):
    return Result.ok(data=key)

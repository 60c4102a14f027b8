"""Caches the answers of exports in memory and on disk."""

from pegboard_caching._caching import CacheStatistics, Caching
from pegboard_caching._option import CacheOptions
from pegboard_caching._sqlite_cache import SqliteCache

__all__ = ["CacheOptions", "CacheStatistics", "Caching", "SqliteCache"]

"""The layer that keeps the answers of an export in memory."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from pegboard.contracts.call import Stage
from pegboard_caching._flight import Flights, Made
from pegboard_caching._guard import Guard
from pegboard_caching._kept import is_success, kept
from pegboard_caching._key import CallKey, UnfitArgumentsError
from pegboard_caching._mark import call_name, export_name, tag_name
from pegboard_caching._tag import Tags

if TYPE_CHECKING:
    from pegboard import App, Export, Result
    from pegboard.contracts.call import Call
    from pegboard_caching._key import Key
    from pegboard_caching._mark import Taken
    from pegboard_caching._memory import Shelf
    from pegboard_caching._option import CacheOptions

__all__ = ["Counts", "MemoryLayer"]


class Counts(msgspec.Struct):
    """What became of the calls of one export.

    Attributes:
        hits: Answered with what was kept.
        stale_hits: Those of them that were answered with what was too old.
        misses: Made, or waited for while somebody else made it.
        unfit: Made, since the arguments have no key or the answer cannot be kept.
        failures: How often the cache itself has failed, and was done without.
    """

    hits: int = 0
    stale_hits: int = 0
    misses: int = 0
    unfit: int = 0
    failures: int = 0


class MemoryLayer:
    """Keeps the answers of one export of one generation in memory.

    Attributes:
        counts: What became of the calls.
        shelf: Where the answers are kept.

    Args:
        app: The app.
        export: The export.
        options: What its author has asked for.
        shelf: Where the answers are kept.
    """

    stage = Stage.CACHE

    def __init__(self, app: App, export: Export, options: CacheOptions, shelf: Shelf) -> None:
        self.counts = Counts()
        self._app = app
        self._address = export.address
        self._options = options
        self.shelf = shelf
        self._key = CallKey(export.binding, per_user=options.cache_per_user)
        self._tags = Tags(options.cache_tags, self._key, export)
        self._guard = Guard(export.address, per_user=options.cache_per_user)
        self._flights = Flights()

    def __call__(self, call: Call) -> Call:
        """Return the call of the export, with its answers kept."""
        key_of, shelf, counts, now = self._key, self.shelf, self.counts, time.monotonic

        async def cached(*args: Any, **kwargs: Any) -> Result[Any]:
            try:
                key = key_of(args, kwargs)
            except UnfitArgumentsError:
                counts.unfit += 1
                return await call(*args, **kwargs)
            entry = shelf.get(key)
            if entry is None:
                counts.misses += 1
                return await self._flights.run(*self._prepare(call, key, args, kwargs))
            counts.hits += 1
            if entry.stale <= now():
                self._refresh(call, key, args, kwargs)
            return entry.kept.fresh()

        return cached

    async def invalidate(self, tag: str | None = None) -> int:
        """Forget all answers, in all processes, or those with a tag in this one; count them."""
        if tag is None:
            self.shelf.marks.change(export_name(self._address))
        return self.shelf.clear(tag)

    async def forget(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
        """Forget the answer to one call, in all processes; count it if this one has it.

        Raises:
            UnfitArgumentsError: If the arguments do not fit the signature.
        """
        key = self._key(args, kwargs)
        self.shelf.marks.change(call_name(self._address, key))
        return int(self.shelf.drop(key))

    def _refresh(self, call: Call, key: Key, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Begin to make a new answer, unless somebody has."""
        self.counts.stale_hits += 1
        flight, make = self._prepare(call, key, args, kwargs)
        if flight not in self._flights:
            self._app.spawn(self._flights.run, flight, make, name=f"refresh {self._address}")

    def _prepare(
        self, call: Call, key: Key, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Key, Callable[[], Awaitable[Made]]]:
        """Return what makes an answer, and the flight that it is: another one once invalidated."""
        tags = self._tags(args, kwargs)
        taken = self.shelf.marks.take(self._names(key, tags))
        make = partial(self._make, partial(call, *args, **kwargs), key, tags, taken)
        return (key, taken.slots), make

    async def _make(
        self,
        call: Callable[[], Awaitable[Result[Any]]],
        key: Key,
        tags: tuple[str, ...],
        taken: Taken,
    ) -> Made:
        made = await self._guard.make(call)
        own = kept(made.result) if made.is_shared and is_success(made.result) else None
        if own is None:
            self.counts.unfit += made.result.is_ok()
        else:
            ttl, stale = self._options.memory_cache_ttl, self._options.cache_stale
            self.shelf.put(key, own, ttl=ttl, stale=stale, tags=tags, taken=taken)
        return made

    def _names(self, key: Key, tags: tuple[str, ...]) -> list[str]:
        """Return by which names an answer can be invalidated."""
        address = self._address
        return [export_name(address), call_name(address, key), *map(tag_name, tags)]

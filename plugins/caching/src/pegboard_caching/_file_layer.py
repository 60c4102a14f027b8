"""The layer that keeps the answers of an export where other processes find them."""

from __future__ import annotations

import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from pegboard.contracts.call import Stage
from pegboard.errors import PegboardError
from pegboard_caching._fingerprint import fingerprint
from pegboard_caching._flight import Flights, Made
from pegboard_caching._guard import Guard
from pegboard_caching._kept import is_success
from pegboard_caching._key import CallKey, UnfitArgumentsError, text_of
from pegboard_caching._layer import Counts
from pegboard_caching._mark import export_name, tag_name
from pegboard_caching._tag import Tags
from pegboard_caching._wire import Wire

if TYPE_CHECKING:
    from pegboard import App, Export, Result
    from pegboard.contracts.cache import Cache
    from pegboard.contracts.call import Call
    from pegboard_caching._key import Key
    from pegboard_caching._mark import Marks
    from pegboard_caching._option import CacheOptions

__all__ = ["FileLayer"]

T = TypeVar("T")

FIRST_LOOK = 0.005  # seconds until one looks whether another process has made the answer
LONGEST_LOOK = 0.1  # seconds between two looks, at most

_logger = logging.getLogger("pegboard.caching")


class FileLayer:
    """Keeps the answers of one export of one generation in a `Cache`.

    A cache that fails costs time, and nothing else: the answer is made then.

    Attributes:
        counts: What became of the calls.

    Args:
        app: The app.
        export: The export.
        options: What its author has asked for.
        cache: Where the answers are kept.
        marks: Tell what was invalidated.
        claim_seconds: How long a claim holds that is not renewed.
    """

    stage = Stage.CACHE

    def __init__(
        self,
        app: App,
        export: Export,
        options: CacheOptions,
        cache: Cache,
        *,
        marks: Marks,
        claim_seconds: float,
    ) -> None:
        self.counts = Counts()
        self._app = app
        self._address = export.address
        self._cache = cache
        self._marks = marks
        self._claim_seconds = claim_seconds
        self._ttl = options.file_cache_ttl or math.inf
        self._stale = options.cache_stale
        self._prefix = f"{export.address} {fingerprint(export.function, export.options.version)} "
        self._key = CallKey(export.binding, per_user=options.cache_per_user)
        self._tags = Tags(options.cache_tags, self._key, export)
        self._wire = Wire(export.function, export.origin)
        self._guard = Guard(export.address, per_user=options.cache_per_user)
        self._flights = Flights()
        self._has_warned = False

    def __call__(self, call: Call) -> Call:
        """Return the call of the export, with its answers kept."""
        counts = self.counts

        async def cached(*args: Any, **kwargs: Any) -> Result[Any]:
            try:
                key = self._text(args, kwargs)
            except UnfitArgumentsError:
                counts.unfit += 1
                return await call(*args, **kwargs)
            entry = await self._safely(self._cache.get(key))
            result = None if entry is None else self._wire.read(entry.value)
            if entry is None or result is None:
                counts.misses += 1
                return await self._flights.run(*self._prepare(call, key, args, kwargs))
            counts.hits += 1
            if entry.age >= self._ttl:
                self._refresh(call, key, args, kwargs)
            return result

        return cached

    async def invalidate(self, tag: str | None = None) -> int:
        """Forget all answers, or those with a tag, of all processes; count them."""
        if tag is None:
            self._marks.change(export_name(self._address))
        return await self._cache.invalidate(self._address if tag is None else tag)

    async def forget(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
        """Forget the answer to one call; count it.

        Raises:
            UnfitArgumentsError: If the arguments do not fit the signature.
        """
        key = self._text(args, kwargs)
        self._marks.change(key)
        return int(await self._cache.delete(key))

    def _text(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        """Return the key of a call as the cache knows it."""
        return self._prefix + text_of(self._key(args, kwargs))

    def _refresh(self, call: Call, key: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Begin to make a new answer, unless somebody has."""
        self.counts.stale_hits += 1
        flight, make = self._prepare(call, key, args, kwargs)
        if flight not in self._flights:
            self._app.spawn(self._flights.run, flight, make, name=f"refresh {self._address}")

    def _prepare(
        self, call: Call, key: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Key, Callable[[], Awaitable[Made]]]:
        """Return what makes an answer, and the flight that it is: another one once invalidated."""
        tags = self._tags(args, kwargs)
        taken = self._marks.take([export_name(self._address), key, *map(tag_name, tags)])
        make = partial(self._make, partial(call, *args, **kwargs), key, (self._address, *tags))
        return (key, taken.slots), make

    async def _make(
        self, call: Callable[[], Awaitable[Result[Any]]], key: str, tags: Sequence[str]
    ) -> Made:
        claim, result = await self._turn(key)
        if result is not None:
            return Made(result)
        if claim is None:
            return await self._guard.make(call)
        return await self._make_and_keep(call, key, claim, tags)

    async def _turn(self, key: str) -> tuple[str | None, Result[Any] | None]:
        """Wait until it is our turn to make an answer, or somebody has made it.

        Neither is returned where the cache fails.
        """
        pause = FIRST_LOOK
        while True:
            try:
                claim = await self._cache.claim(key, self._claim_seconds)
                entry = await self._cache.get(key)
            except PegboardError as error:
                self._failed(error)
                return None, None
            if entry is not None and entry.age < self._ttl:
                if claim is not None:
                    await self._safely(self._cache.release(key, claim))
                result = self._wire.read(entry.value)
                if result is not None:
                    return None, result
            if claim is not None:
                return claim, None
            await anyio.sleep(pause)
            pause = min(pause * 1.5, LONGEST_LOOK)

    async def _make_and_keep(
        self,
        make: Callable[[], Awaitable[Result[Any]]],
        key: str,
        claim: str,
        tags: Sequence[str],
    ) -> Made:
        is_claimed = True
        try:
            async with self._renewing(key, claim):
                made = await self._guard.make(make)
            is_kept = made.is_shared and is_success(made.result)
            value = self._wire.write(made.result) if is_kept else None
            if value is not None:
                ttl = None if math.isinf(self._ttl) else self._ttl + self._stale
                await self._safely(self._cache.set(key, value, ttl=ttl, tags=tags, claim=claim))
                is_claimed = False
            elif not made.is_shared:
                self.counts.unfit += 1
            elif made.result.is_ok():
                self._unfit()
            return made
        finally:
            if is_claimed:
                with anyio.CancelScope(shield=True):
                    await self._safely(self._cache.release(key, claim))

    @asynccontextmanager
    async def _renewing(self, key: str, claim: str) -> AsyncIterator[None]:
        async with anyio.create_task_group() as group:
            group.start_soon(self._renew, key, claim)
            yield
            group.cancel_scope.cancel()

    async def _renew(self, key: str, claim: str) -> None:
        renewed: str | None = claim
        while renewed is not None:
            await anyio.sleep(self._claim_seconds / 3)
            renewed = await self._safely(self._cache.claim(key, self._claim_seconds, renew=claim))

    async def _safely(self, answer: Awaitable[T]) -> T | None:
        """Return the answer of the cache, None where it fails."""
        try:
            return await answer
        except PegboardError as error:
            self._failed(error)
            return None

    def _failed(self, error: PegboardError) -> None:
        self.counts.failures += 1
        if self.counts.failures == 1:
            _logger.warning("%s does without its file cache: %s", self._address, error)

    def _unfit(self) -> None:
        self.counts.unfit += 1
        if not self._has_warned:
            self._has_warned = True
            _logger.warning(
                "an answer of %s cannot be kept on disk: written as plain data it would not come "
                "back as it was; say what the function returns, or use memory_cache",
                self._address,
            )

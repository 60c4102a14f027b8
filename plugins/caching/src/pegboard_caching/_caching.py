"""The caches of one app: made for exports, asked and emptied through `app.cache`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from pegboard.errors import ConfigError, InputError, NotFoundError
from pegboard_caching._file_layer import FileLayer
from pegboard_caching._key import UnfitArgumentsError
from pegboard_caching._layer import MemoryLayer
from pegboard_caching._mark import Marks, tag_name
from pegboard_caching._memory import Memory
from pegboard_caching._option import CacheOptions
from pegboard_caching._sqlite_cache import SqliteCache

if TYPE_CHECKING:
    from pegboard import App, Export, Slot
    from pegboard.contracts.cache import Cache
    from pegboard.contracts.call import Layer
    from pegboard_caching.config import CachingConfig

__all__ = ["CacheStatistics", "Caching"]

NAME = "caching"
"""Under which a layer is kept in `export.attachments`."""


class CacheStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """How well the answers of one export were kept, since it was loaded.

    Attributes:
        hits: Calls answered with what was kept.
        stale_hits: Those of them that were answered with what was too old.
        misses: Calls whose answer was made, or waited for while somebody else made it.
        unfit: Calls whose arguments have no key, or whose answer cannot be kept.
        failures: How often the cache itself has failed, and was done without.
        entries: Answers in memory; 0 for an export with a file cache.
        bytes: Bytes that they take, about.
    """

    hits: int
    stale_hits: int
    misses: int
    unfit: int
    failures: int
    entries: int = 0
    bytes: int = 0


class Caching:
    """Keeps the answers of exports: `app.cache`.

    Attributes:
        store: Where answers are kept on disk, unless another plugin provides the cache.

    Args:
        app: The app.
        settings: Its settings for caching.
    """

    def __init__(self, app: App, settings: CachingConfig) -> None:
        self.store = SqliteCache(
            app.data / "cache.db", most=settings.file_bytes, largest=settings.file_value_bytes
        )
        self._app = app
        self._settings = settings
        self._marks = Marks(app.data / "cache.marks")
        self._memory = Memory(settings.memory_bytes, self._marks)

    async def invalidate(self, target: str, /, *args: Any, **kwargs: Any) -> int:
        """Forget the answers of an export, or that to one call if there are arguments.

        That holds for all processes of the project on this machine. What is being made at that
        moment is not kept, either. With `cache_per_user` one call is that of who asks.

        Args:
            target: Address of the export, `Mod.function`.
            args: Arguments of the call whose answer is to be forgotten.
            kwargs: The same, by name.

        Returns:
            How many answers were forgotten; in memory, those of this process are counted.

        Raises:
            NotFoundError: If no such export has a cache.
            InputError: If the arguments do not fit it.
        """
        layer = self._layer(target)
        if not args and not kwargs:
            return await layer.invalidate()
        try:
            return await layer.forget(args, kwargs)
        except UnfitArgumentsError as error:
            msg = f"{target}: {error}"
            raise InputError(msg) from error

    async def invalidate_tag(self, tag: str) -> int:
        """Forget all answers with a tag, of whatever export, and return how many."""
        self._marks.change(tag_name(tag))
        layers = list(self._layers().values())
        forgotten = [await each.invalidate(tag) for each in layers if isinstance(each, MemoryLayer)]
        files = [each for each in layers if isinstance(each, FileLayer)]
        if files:  # they share their cache
            forgotten.append(await files[0].invalidate(tag))
        return sum(forgotten)

    async def clear(self) -> int:
        """Forget all answers of all exports and return how many."""
        self._marks.change()
        return sum([await layer.invalidate() for layer in self._layers().values()])

    def statistics(self) -> dict[str, CacheStatistics]:
        """Return what the caches have done, by address of the export."""
        return {address: _statistics(layer) for address, layer in self._layers().items()}

    async def aclose(self) -> None:
        """Close the files."""
        self._marks.close()
        await self.store.aclose()

    def register(self, export: Export) -> Layer | None:
        """Return the layer that the options of an export ask for.

        Raises:
            ConfigError: If they contradict one another, or what the export is.
        """
        options = export.option(CacheOptions)
        if not options.memory_cache and not options.file_cache:
            return None
        _check(export, options)
        layer: MemoryLayer | FileLayer
        if options.memory_cache:
            shelf = self._memory.shelf(export.address, options.memory_cache_max_size)
            layer = MemoryLayer(self._app, export, options, shelf)
        else:
            cache: Cache = self._app.hooks.first("provide_cache", app=self._app)
            seconds = self._settings.claim_seconds
            layer = FileLayer(
                self._app, export, options, cache, marks=self._marks, claim_seconds=seconds
            )
        export.attachments[NAME] = layer
        return layer

    def exports_changed(self, _table: Mapping[str, Slot]) -> None:
        """Drop what is kept for exports that serve no more; called within each commit."""
        layers = self._layers().values()
        self._memory.keep_only({each.shelf for each in layers if isinstance(each, MemoryLayer)})

    def _layers(self) -> dict[str, MemoryLayer | FileLayer]:
        return {
            export.address: export.attachments[NAME]
            for export in self._app.registry
            if NAME in export.attachments
        }

    def _layer(self, address: str) -> MemoryLayer | FileLayer:
        layer = self._layers().get(address)
        if layer is None:
            msg = f"no export {address!r} has a cache; there are {sorted(self._layers()) or 'none'}"
            raise NotFoundError(msg)
        return layer


def _check(export: Export, options: CacheOptions) -> None:
    if options.memory_cache and options.file_cache:
        msg = f"{export.address} has both memory_cache and file_cache: choose one"
        raise ConfigError(msg)
    if export.binding.takes_request and not options.cache_per_user:
        msg = (
            f"{export.address} takes the request, so that its answer may depend on who asks: "
            "give cache_per_user=True, or leave the request out"
        )
        raise ConfigError(msg)
    function = inspect.unwrap(export.function)
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        msg = f"{export.address} is a stream, and a stream cannot be kept"
        raise ConfigError(msg)


def _statistics(layer: MemoryLayer | FileLayer) -> CacheStatistics:
    counts = msgspec.structs.asdict(layer.counts)
    if isinstance(layer, FileLayer):
        return CacheStatistics(**counts)
    return CacheStatistics(**counts, entries=len(layer.shelf.entries), bytes=layer.shelf.used)

"""Whatever yields items, made one thing: an iterator that can be closed, once and for all."""

from __future__ import annotations

import inspect
import logging
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
)
from contextvars import Context, copy_context
from typing import Any

import anyio
from anyio import CapacityLimiter, to_thread

from pegboard import CallContext, Result, call_context

__all__ = ["Stream"]

_logger = logging.getLogger("pegboard.http")

_END = object()
_SINGLE = (str, bytes, bytearray, memoryview, Mapping)


class Stream:
    """The items of a stream, and what is to be done when nobody wants any more of them.

    Items come from an asynchronous generator, iterator or iterable; from a plain one, which runs
    in worker threads; or there is a single item.

    A plain generator keeps one context from its first item to its end, as it would in a loop: what
    it sets in a context variable it finds again, and can reset.

    Args:
        result: A result of type `stream`.
        context: Surroundings of the call that made it: generator and clean-up end in them.
        limiter: Bounds the worker threads of generators.
        closers: Bounds those that close generators and clean up, which have to find one also
            where generators that block have taken all the others.
        close_timeout: Seconds that the generator and the clean-up get each to end.
    """

    def __init__(
        self,
        result: Result[Any],
        context: CallContext,
        *,
        limiter: CapacityLimiter,
        closers: CapacityLimiter,
        close_timeout: float,
    ) -> None:
        payload: Mapping[str, Any] = result.result.data or {}
        self.content_type = str(payload.get("content_type") or "text/event-stream")
        self.headers: Mapping[str, str] = payload.get("headers") or {}
        self.filename: str | None = payload.get("filename")
        self.is_blocking = False
        self._context = context
        self._thread_context: Context | None = None
        self._limiter = limiter
        self._closers = closers
        self._close_timeout = close_timeout
        self._closed = False
        self._cleanup: Any = getattr(result, "cleanup", None)
        self._release: Callable[[], None] | None = getattr(result, "release", None)
        self._source: Any = payload.get("generator")
        self._items = self._iterator(self._source)

    @property
    def is_event_stream(self) -> bool:
        """Whether the items are to be sent as server-sent events."""
        return self.content_type.partition(";")[0].strip().lower() == "text/event-stream"

    def __aiter__(self) -> AsyncIterator[Any]:
        """Return the items."""
        return self._items

    def _iterator(self, source: Any) -> AsyncIterator[Any]:
        if inspect.isgeneratorfunction(source) or inspect.isasyncgenfunction(source):
            source = self._source = source()
        if hasattr(source, "__aiter__"):
            iterator: AsyncIterator[Any] = source.__aiter__()
            return iterator
        if isinstance(source, _SINGLE) or not isinstance(source, Iterable):
            return _single(source)
        if isinstance(source, Collection):
            return _inline(source)
        self.is_blocking = True
        return self._threaded(iter(source))

    async def _threaded(self, iterator: Iterator[Any]) -> AsyncIterator[Any]:
        while True:
            item = await to_thread.run_sync(
                self._in_context, next, iterator, _END, limiter=self._limiter
            )
            if item is _END:
                return
            yield item

    def _in_context(self, function: Callable[..., Any], *args: Any) -> Any:
        if self._thread_context is None:  # copied in the worker thread, where no event loop runs
            self._thread_context = copy_context()
        return self._thread_context.run(function, *args)

    async def aclose(self) -> None:
        """Close the generator and run the clean-up; both happen once, whatever fails in them.

        Neither is cut by a cancellation from outside, only by the deadline.
        """
        if self._closed:
            return
        self._closed = True
        token = call_context.set(self._context)
        try:
            with anyio.CancelScope(shield=True):
                await self._step("closing the generator", self._close_source)
                if self._cleanup is not None:
                    await self._step("cleanup_func", self._clean_up)
        finally:
            call_context.reset(token)
            if self._release is not None:
                self._release()

    async def _step(self, what: str, step: Callable[[], Any]) -> None:
        with anyio.move_on_after(self._close_timeout) as limit:
            try:
                await step()
            except Exception:
                _logger.exception("%s of a stream failed", what)
        if limit.cancelled_caught:
            _logger.error("%s of a stream took more than %s s", what, self._close_timeout)

    async def _close_source(self) -> None:
        source = self._source
        if self._items is not source:
            await _aclose(self._items)
        if hasattr(source, "aclose"):
            await source.aclose()
        elif inspect.iscoroutine(source):
            source.close()
        elif self.is_blocking and hasattr(source, "close"):
            await to_thread.run_sync(self._in_context, source.close, limiter=self._closers)

    async def _clean_up(self) -> None:
        cleanup = self._cleanup
        if inspect.isasyncgen(cleanup):
            answer: Any = cleanup
        elif inspect.iscoroutinefunction(cleanup) or inspect.isasyncgenfunction(cleanup):
            answer = cleanup()
        else:
            answer = await to_thread.run_sync(cleanup, limiter=self._closers)
        if inspect.isasyncgen(answer):
            async for _ in answer:
                pass
        elif inspect.isawaitable(answer):
            await answer


async def _aclose(iterator: AsyncIterator[Any]) -> None:
    if isinstance(iterator, AsyncGenerator):
        await iterator.aclose()


async def _single(item: Any) -> AsyncIterator[Any]:
    yield await item if inspect.isawaitable(item) else item


async def _inline(items: Collection[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item

"""Reading the answer of a call in process where that is a stream: no transport does it there."""

from __future__ import annotations

from collections.abc import AsyncIterator
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pegboard._result import Result

__all__ = ["abandon", "is_stream", "items_of"]


def is_stream(result: Result[Any]) -> bool:
    """Whether the data of a result is a stream."""
    return result.result.data_type == "stream"


async def items_of(result: Result[Any]) -> AsyncIterator[Any]:
    """Iterate over the items of a stream, whatever makes them; its clean-up runs at the end."""
    source = _source(result)
    try:
        if hasattr(source, "__aiter__"):
            async for item in source:
                yield item
        elif hasattr(source, "__iter__") and not isinstance(source, (str, bytes, dict)):
            for item in source:
                yield item
        else:
            yield source
    finally:
        await abandon(result)


async def abandon(result: Result[Any]) -> None:
    """Close a stream that nobody reads any more and run its clean-up."""
    source = _source(result)
    close = getattr(source, "aclose", None) or getattr(source, "close", None)
    for end in (close, vars(result).get("cleanup"), vars(result).get("release")):
        done = end() if end is not None else None
        if isawaitable(done):
            await done


def _source(result: Result[Any]) -> Any:
    data: Any = result.result.data
    return data["generator"]

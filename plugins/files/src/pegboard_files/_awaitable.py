"""A result that may be used as it is or awaited."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

__all__ = ["AwaitableDict"]


class AwaitableDict(dict[str, Any]):
    """A mapping that is its own result when it is awaited.

    The documented examples call `secure_write` both with `await` and without.
    """

    def __await__(self) -> Generator[None, None, AwaitableDict]:
        yield from ()
        return self

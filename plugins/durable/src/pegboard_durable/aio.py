"""The same for asynchronous code, with anyio: `pip install "pegboard-durable[aio]"`.

Each call is one hop to a worker thread. Cancelling waits for a call that has begun: afterwards it
is known whether the file was written.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

from pegboard_durable._root import Item, Root

__all__ = ["AsyncRoot"]

T = TypeVar("T")


class AsyncRoot:
    """The calls of a `Root`, to be awaited; they raise what those raise.

    Args:
        root: The folder.
        limiter: How many threads may be busy with it; None for the default of anyio.

    Attributes:
        root: For `open` and `writing`, and for several steps in one hop.
    """

    def __init__(self, root: Root, *, limiter: CapacityLimiter | None = None) -> None:
        self.root = root
        self._limiter = limiter

    async def read(self, path: str | os.PathLike[str]) -> bytes:
        """Return the whole content of a file.

        Raises:
            OSError: As `Root.read`.
        """
        return await self._run(partial(self.root.read, path))

    async def replace(
        self,
        path: str | os.PathLike[str],
        data: bytes | bytearray | memoryview,
        *,
        mode: int | None = None,
        durable: bool | None = None,
    ) -> None:
        """Give a file, new or old, this content in one step.

        Raises:
            OSError: As `Root.replace`.
        """
        await self._run(partial(self.root.replace, path, data, mode=mode, durable=durable))

    async def create(
        self,
        path: str | os.PathLike[str],
        data: bytes | bytearray | memoryview,
        *,
        mode: int | None = None,
        durable: bool | None = None,
    ) -> None:
        """Make a new file with this content.

        Raises:
            FileExistsError: If there is something of that name.
            OSError: As `Root.create`.
        """
        await self._run(partial(self.root.create, path, data, mode=mode, durable=durable))

    async def remove(self, path: str | os.PathLike[str], *, durable: bool | None = None) -> bool:
        """Remove a file; False where there was none.

        Raises:
            OSError: As `Root.remove`.
        """
        return await self._run(partial(self.root.remove, path, durable=durable))

    async def find(self, path: str | os.PathLike[str]) -> Item | None:
        """Return what a path leads to; None for nothing.

        Raises:
            OSError: As `Root.find`.
        """
        return await self._run(partial(self.root.find, path))

    async def scan(self, path: str | os.PathLike[str] = "") -> list[Item]:
        """Return what is in a folder.

        Raises:
            OSError: As `Root.scan`.
        """
        return await self._run(partial(self.root.scan, path))

    async def _run(self, call: Callable[[], T]) -> T:
        return await to_thread.run_sync(call, limiter=self._limiter)

"""Worker threads for files: of their own, so that a slow disk or a long backup holds nobody up."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread
from anyio.lowlevel import RunVar

__all__ = ["in_thread", "in_thread_of_backups"]

P = ParamSpec("P")
T = TypeVar("T")

FILES = 16  # threads of one event loop that read, write or wait for a lock at once
BACKUPS = 2  # that make or restore backups, which may take hours

_files: RunVar[CapacityLimiter] = RunVar("pegboard_files_files")
_backups: RunVar[CapacityLimiter] = RunVar("pegboard_files_backups")


async def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function that works with files; cancelling waits for it."""
    limiter = _limiter(_files, FILES)
    return await to_thread.run_sync(partial(function, *args, **kwargs), limiter=limiter)


async def in_thread_of_backups(function: Callable[[], T]) -> T:
    """Call a function that makes or restores a backup; cancelling waits for it."""
    return await to_thread.run_sync(function, limiter=_limiter(_backups, BACKUPS))


def _limiter(variable: RunVar[CapacityLimiter], most: int) -> CapacityLimiter:
    limiter = variable.get(None)
    if limiter is None:
        limiter = CapacityLimiter(most)
        variable.set(limiter)
    return limiter

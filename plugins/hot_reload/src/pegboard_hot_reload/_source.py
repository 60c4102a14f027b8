"""Events of the file system: the one file that knows watchfiles."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from watchfiles import awatch

if TYPE_CHECKING:
    import anyio

    from pegboard_hot_reload.config import HotReloadConfig

__all__ = ["events"]

_theirs = logging.getLogger("watchfiles")
if _theirs.level == logging.NOTSET:
    _theirs.setLevel(logging.WARNING)  # each change is told once: by what was done about it


async def events(
    folders: Collection[Path],
    config: HotReloadConfig,
    stop: anyio.Event,
    *,
    recursive: bool = True,
) -> AsyncIterator[set[Path]]:
    """Yield the paths of each burst of events, until `stop` is set.

    Nothing is left out here: neither names nor suffixes.

    Args:
        folders: Existing folders.
        config: How to watch.
        stop: Ends the iteration; a cancellation would wait for the thread that listens.
        recursive: Whether with all that is below them.

    Raises:
        OSError: If the system refuses to watch, or a folder cannot be read.
    """
    changes = awatch(
        *folders,
        watch_filter=None,
        step=config.step_ms,
        debounce=max(config.step_ms, 50),
        stop_event=stop,
        force_polling=config.polling,
        poll_delay_ms=config.poll_ms,
        recursive=recursive,
        ignore_permission_denied=True,
    )
    async for batch in changes:
        yield {Path(path) for _, path in batch}

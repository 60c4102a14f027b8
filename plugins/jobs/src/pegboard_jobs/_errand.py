"""What goes on beside the jobs of an app: hearing of cancellations, deleting what is old."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
from anyio import to_thread

from pegboard.errors import PegboardError
from pegboard_jobs import _event_table
from pegboard_jobs._ledger import Ledger

if TYPE_CHECKING:
    from pegboard_jobs._service import Jobs

__all__ = ["attend", "tidy"]

AFTER_FAILURE = 0.5  # seconds until a store that is away is asked again
BETWEEN_TIDYING = 3600.0  # seconds

_logger = logging.getLogger("pegboard.jobs")


@asynccontextmanager
async def attend(ledger: Ledger) -> AsyncIterator[None]:
    """Stop jobs of this process that somebody asks to stop, while the block runs."""
    async with _beside(lambda: _attend(ledger)):
        yield


@asynccontextmanager
async def tidy(jobs: Jobs, days: float) -> AsyncIterator[None]:
    """Delete what ended more than `days` ago, now and each hour, while the block runs."""
    async with _beside(lambda: _tidy(jobs, days)):
        yield


@asynccontextmanager
async def _beside(errand: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    async with anyio.create_task_group() as group:
        group.start_soon(errand)
        try:
            yield
        finally:
            group.cancel_scope.cancel()


async def _attend(ledger: Ledger) -> None:
    while True:
        try:
            last = await ledger.store.read(_event_table.last)
            await to_thread.run_sync(ledger.stop_asked)
            await ledger.store.watch.wait(last)
        except PegboardError as error:
            _logger.warning("requests to stop are not heard now: %s", error)
            await anyio.sleep(AFTER_FAILURE)


async def _tidy(jobs: Jobs, days: float) -> None:
    while True:
        try:
            deleted = await jobs.collect(days)
        except PegboardError as error:
            _logger.warning("old jobs stay for now: %s", error)
        else:
            if deleted:
                _logger.info("%d jobs that ended %g days ago are deleted", deleted, days)
        await anyio.sleep(BETWEEN_TIDYING)

"""The pool of tasks that send."""

import anyio
import pytest
from anyio import CancelScope

from pegboard_transport_ws._sender import SenderPool

pytestmark = pytest.mark.anyio


class Letter:
    """Notes that it was flushed."""

    def __init__(self) -> None:
        self.is_sent = False

    async def flush(self, scope: CancelScope) -> None:
        self.is_sent = True


async def test_what_is_added_after_the_end_is_forgotten_and_starts_no_task() -> None:
    first, late = Letter(), Letter()
    async with anyio.create_task_group() as tasks:
        pool = SenderPool(tasks)
        pool.add(first)  # its task is started, and has not run when the pool is closed
        pool.close()
        await anyio.wait_all_tasks_blocked()
        pool.add(late)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    pool.add(late)
    assert (first.is_sent, late.is_sent) == (False, False)

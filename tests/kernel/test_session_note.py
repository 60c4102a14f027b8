"""Whether something was asked for the session."""

import anyio
import pytest
from anyio import to_thread

from pegboard import current_request, current_session, noting_session

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("ask", [current_session, current_request])
async def test_it_is_noted_that_a_block_asks_who_asks(ask) -> None:
    with noting_session() as note:
        assert not note.is_read
        ask()
    assert note.is_read
    with noting_session() as note:
        pass
    assert not note.is_read


async def test_threads_and_tasks_of_the_block_count_and_outer_blocks_know() -> None:
    with noting_session() as outer, noting_session() as middle:
        with noting_session() as inner:
            await to_thread.run_sync(current_session)
        assert inner.is_read
        async with anyio.create_task_group() as group:
            group.start_soon(to_thread.run_sync, current_session)
    assert middle.is_read
    assert outer.is_read

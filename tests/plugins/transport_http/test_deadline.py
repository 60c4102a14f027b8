"""Waits that end in time, and those that do not."""

import asyncio
from functools import partial
from typing import Any

import anyio
import pytest

from pegboard_transport_http._deadline import Deadline, DeadlineError

pytestmark = pytest.mark.anyio


async def test_what_comes_in_time_is_returned() -> None:
    event = anyio.Event()

    async def later() -> int:
        with anyio.CancelScope():
            await event.wait()
        return 7

    async def set_event() -> None:
        event.set()

    deadline = Deadline(5)
    async with anyio.create_task_group() as group:
        group.start_soon(set_event)
        assert await deadline.bound(later) == 7
    deadline.close()


async def test_what_does_not_come_is_cancelled_and_others_go_on() -> None:
    event, cancelled = anyio.Event(), 0
    deadline, patient = Deadline(0.01), Deadline(5)

    async def never() -> None:
        nonlocal cancelled
        with anyio.CancelScope():
            try:
                await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class():
                cancelled += 1
                raise

    async def wait() -> None:
        await patient.bound(event.wait)

    async with anyio.create_task_group() as group:
        group.start_soon(wait)
        for again in (1, 2):
            with anyio.fail_after(5), pytest.raises(TimeoutError):
                await deadline.bound(never)
            assert cancelled == again
            await anyio.lowlevel.checkpoint()  # nothing is left of the cancellation
        event.set()
    patient.close()


async def test_many_waits_of_many_tasks_end_each_for_itself() -> None:
    deadline, ended = Deadline(0.02), []

    async def wait(number: int) -> None:
        try:
            await deadline.bound(anyio.sleep_forever)
        except TimeoutError:
            ended.append(number)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as group:
            for number in range(100):
                group.start_soon(wait, number)
    assert sorted(ended) == list(range(100))


async def test_a_cancellation_from_outside_is_none_of_its_business() -> None:
    deadline = Deadline(5)
    with anyio.move_on_after(0.01) as scope:
        await deadline.bound(anyio.sleep_forever)
    assert scope.cancelled_caught
    deadline.close()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_who_is_cancelled_at_the_same_time_stays_cancelled() -> None:
    deadline = Deadline(0.01)
    task = asyncio.ensure_future(deadline.bound(asyncio.Event().wait))

    async def both() -> None:
        with anyio.fail_after(5):
            while not task.cancelling():
                await asyncio.sleep(0)
        task.cancel()

    await both()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_nothing_looks_where_nothing_waits() -> None:
    deadline = Deadline(0.01)
    assert await deadline.bound(lambda: asyncio.sleep(0, 7)) == 7
    with anyio.fail_after(5):
        while deadline._timer is not None:
            await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        await deadline.bound(asyncio.Event().wait)
    deadline.close()


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_wait_that_keeps_its_cancellation_to_itself_leaves_nothing_of_it() -> None:
    async def swallows() -> int:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return 7
        return 0

    deadline = Deadline(0.01)
    assert await deadline.bound(swallows) == 7
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()
    with pytest.raises(DeadlineError):
        await deadline.bound(asyncio.Event().wait)


def test_a_deadline_follows_to_another_event_loop() -> None:
    deadline = Deadline(0.05)

    async def never() -> None:
        with anyio.fail_after(5), pytest.raises(DeadlineError):
            await deadline.bound(asyncio.Event().wait)

    async def at_once() -> None:
        await deadline.bound(partial(asyncio.sleep, 0))

    asyncio.run(at_once())
    asyncio.run(never())


async def test_an_object_that_is_no_coroutine_can_be_waited_for() -> None:
    class Bare:
        def __await__(self) -> Any:
            yield from anyio.lowlevel.checkpoint().__await__()
            return 7

    deadline = Deadline(5)
    assert await deadline.bound(Bare) == 7
    deadline.close()


async def test_what_it_raises_is_raised() -> None:
    async def fails() -> None:
        await anyio.lowlevel.checkpoint()
        raise ValueError

    deadline = Deadline(5)
    with pytest.raises(ValueError):  # noqa: PT011
        await deadline.bound(fails)
    deadline.close()

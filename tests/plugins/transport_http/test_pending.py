"""Beginning a wait, and going on with it under a deadline."""

from typing import Any

import anyio
import pytest

from pegboard_transport_http._pending import poll

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_what_is_there_already_is_returned_at_once() -> None:
    async def ready(value: int) -> int:
        return value

    assert poll(ready, 7) == (7, None)


async def test_what_is_not_there_yet_can_be_waited_for() -> None:
    event = anyio.Event()

    async def later() -> int:
        with anyio.CancelScope():
            await event.wait()
        return 7

    async def set_event() -> None:
        event.set()

    async with anyio.create_task_group() as group:
        value, pending = poll(later)
        assert value is None
        assert pending is not None
        group.start_soon(set_event)
        assert await pending.within(5) == 7


async def test_a_deadline_breaks_a_wait_that_has_begun_off() -> None:
    cancelled = 0

    async def never() -> None:
        nonlocal cancelled
        with anyio.CancelScope():
            try:
                await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class():
                cancelled += 1
                raise

    _, pending = poll(never)
    assert pending is not None
    with pytest.raises(TimeoutError):
        await pending.within(0.01)
    assert cancelled == 1
    await anyio.lowlevel.checkpoint()


async def test_a_cancellation_from_outside_is_none_of_its_business() -> None:
    with anyio.move_on_after(0.01) as scope:
        _, pending = poll(anyio.sleep_forever)
        assert pending is not None
        await pending.within(5)
    assert scope.cancelled_caught


async def test_an_object_that_is_no_coroutine_can_be_waited_for() -> None:
    class Bare:
        def __await__(self) -> Any:
            yield from anyio.lowlevel.checkpoint().__await__()
            return 7

    _, pending = poll(Bare)
    assert pending is not None
    assert await pending.within(5) == 7


async def test_what_it_raises_is_raised() -> None:
    async def fails() -> None:
        await anyio.lowlevel.checkpoint()
        raise ValueError

    _, pending = poll(fails)
    assert pending is not None
    with pytest.raises(ValueError):  # noqa: PT011
        await pending.within(5)

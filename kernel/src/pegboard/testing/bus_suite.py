"""What every bus has to do: subclass `BusSuite` and say how to open yours.

```python
class TestMyBus(BusSuite):
    @asynccontextmanager
    async def open(self):
        async with MyBus(URL) as here, MyBus(URL) as there:
            yield here, there
```
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack

import anyio
import pytest

from pegboard.contracts.bus import Bus
from pegboard.errors import UnavailableError

__all__ = ["BusSuite"]

TIMEOUT = 10.0  # seconds after which a message is taken to be lost
MANY = 100  # messages that are published in a row
FLOOD = 20_000  # messages for a subscriber that reads none: more than a bus keeps


class BusSuite:
    """The tests of a bus, seen from two ends of it: two connections, or one object twice.

    Attributes:
        flood: Messages that are more than your bus keeps for one subscriber.
    """

    flood = FLOOD

    def open(self) -> AbstractAsyncContextManager[tuple[Bus, Bus]]:
        """Open two ends of one bus; your suite says how.

        Raises:
            NotImplementedError: If your suite does not say it.
        """
        raise NotImplementedError

    @pytest.mark.anyio
    @pytest.mark.parametrize("message", [b"", b"text", bytes(range(256)), b"x" * 65_536])
    async def test_a_message_arrives_as_it_is(self, message: bytes) -> None:
        """At both ends, whatever its bytes are."""
        async with (
            self.open() as (here, there),
            here.subscribe("topic") as near,
            there.subscribe("topic") as far,
        ):
            await here.publish("topic", message)
            assert await _next(near) == message
            assert await _next(far) == message

    @pytest.mark.anyio
    async def test_messages_of_a_publisher_keep_their_order(self) -> None:
        """None is lost while the subscriber is not far behind."""
        async with self.open() as (here, there), there.subscribe("topic") as messages:
            for number in range(MANY):
                await here.publish("topic", b"%d" % number)
            assert [await _next(messages) for _ in range(MANY)] == [b"%d" % n for n in range(MANY)]

    @pytest.mark.anyio
    @pytest.mark.parametrize("other", ["topic.sub", "top*", "Topic", "", "tøpic", "topic "])
    async def test_topics_do_not_meet(self, other: str) -> None:
        """No part of a topic has a meaning."""
        async with self.open() as (here, there), AsyncExitStack() as stack:
            messages = await stack.enter_async_context(there.subscribe("topic"))
            others = await stack.enter_async_context(there.subscribe(other))
            await here.publish(other, b"for the other one")
            await here.publish("topic", b"for this one")
            assert await _next(messages) == b"for this one"
            assert await _next(others) == b"for the other one"

    @pytest.mark.anyio
    async def test_who_comes_later_gets_what_comes_later(self) -> None:
        """Nothing is kept for those who are not there."""
        async with self.open() as (here, there):
            await here.publish("topic", b"early")
            async with there.subscribe("topic") as messages:
                await here.publish("topic", b"late")
                assert await _next(messages) == b"late"
            await here.publish("topic", b"too late")
            async with there.subscribe("topic") as messages:
                await here.publish("topic", b"again")
                assert await _next(messages) == b"again"

    @pytest.mark.anyio
    async def test_a_subscriber_that_is_cancelled_leaves(self) -> None:
        """The others go on."""
        async with self.open() as (here, there), there.subscribe("topic") as messages:
            with anyio.CancelScope() as scope:
                async with there.subscribe("topic") as cancelled:
                    scope.cancel()
                    await anext(cancelled)
            await here.publish("topic", b"for those who are there")
            assert await _next(messages) == b"for those who are there"

    @pytest.mark.anyio
    async def test_a_slow_subscriber_delays_nobody_and_is_told(self) -> None:
        """It gets what was kept for it, without a gap, and then an error."""
        async with self.open() as (here, there), there.subscribe("topic") as slow:
            with anyio.fail_after(6 * TIMEOUT):
                for number in range(self.flood):
                    await here.publish("topic", b"%d" % number)
            received: list[bytes] = []
            with pytest.raises(UnavailableError):
                await _read(slow, received)
            assert received == [b"%d" % number for number in range(len(received))]
            async with there.subscribe("topic") as again:
                await here.publish("topic", b"as before")
                assert await _next(again) == b"as before"

    @pytest.mark.anyio
    async def test_one_reply_answers_one_request(self) -> None:
        """Publishing from within a subscription does not wait for itself."""
        async with (
            self.open() as (here, there),
            there.subscribe("ask") as asked,
            here.subscribe("answer") as answers,
        ):
            await here.publish("ask", b"?")
            await there.publish("answer", await _next(asked) + b"!")
            assert await _next(answers) == b"?!"


async def _next(messages: AsyncIterator[bytes]) -> bytes:
    with anyio.fail_after(TIMEOUT):
        return await anext(messages)


async def _read(messages: AsyncIterator[bytes], into: list[bytes]) -> None:
    with anyio.fail_after(TIMEOUT):
        async for message in messages:
            into.append(message)  # noqa: PERF401 - what came is wanted when the rest fails

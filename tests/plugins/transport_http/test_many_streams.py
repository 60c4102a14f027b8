"""Many streams at once, and what is left when their clients have gone: nothing."""

import gc
import threading
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anyio
import pytest

from pegboard import App, Result
from pegboard.testing import EventStreamClient
from tests.descriptors import descriptors

pytestmark = pytest.mark.anyio

STREAMS = 500
LEAVE = 3  # events that each client waits for before it leaves


class Source:
    """What the streams hold on to while they are open."""


class Room:
    """A mod whose streams are counted, and end only because their clients leave."""

    def __init__(self) -> None:
        self.open = 0
        self.cleaned = 0
        self.sources: list[weakref.ref[Source]] = []

    async def items(self) -> AsyncIterator[dict[str, Any]]:
        source = Source()
        self.sources.append(weakref.ref(source))
        self.open += 1
        try:
            for n in range(10**9):
                yield {"event": "tick", "id": n, "data": n}
                await anyio.sleep(0.001)
            del source
        finally:
            self.open -= 1

    async def cleanup_inline(self) -> None:
        self.cleaned += 1

    def stream(self) -> Result[Any]:
        return Result.stream(self.items(), cleanup_func=self.cleanup_inline)


@pytest.mark.timeout(180)
async def test_500_streams_at_once_are_served_and_leave_nothing() -> None:
    room = Room()
    app = App("many", plugins=["transport_http"], mods=[])
    app.export(mod_name="S", name="run", api=True, blocking=False)(room.stream)
    async with app:
        client = EventStreamClient(app)
        threads, files = threading.active_count(), descriptors()
        arrived = 0
        everybody = anyio.Event()

        async def listen() -> None:
            nonlocal arrived
            async with client.connect("/sse/S/run") as stream:
                seen = 0
                async for event in stream:
                    seen += event.event == "tick"
                    if seen == LEAVE:
                        break
                arrived += 1
                if arrived == STREAMS:
                    everybody.set()
                await everybody.wait()

        with anyio.fail_after(150):
            async with anyio.create_task_group() as group:
                for _ in range(STREAMS):
                    group.start_soon(listen)
                await everybody.wait()
                assert room.open == STREAMS
        assert (room.open, room.cleaned) == (0, STREAMS)
        assert next(iter(app.registry)).generation.leases == 0
        assert threading.active_count() <= threads  # idle ones end when they like
        assert not descriptors() - files
        assert app.statistics()["tasks_running"] == 0
        gc.collect()
        assert [each for each in room.sources if each() is not None] == []


@pytest.mark.timeout(120)
async def test_plain_generators_share_the_threads_that_there_are() -> None:
    lock, running, most = threading.Lock(), 0, 0

    def items() -> Iterator[int]:
        nonlocal running, most
        for n in range(3):
            with lock:
                running += 1
                most = max(most, running)
            threading.Event().wait(0.002)
            with lock:
                running -= 1
            yield n

    config = {"plugins": {"transport_http": {"stream_threads": 4}}}
    app = App("threads", plugins=["transport_http"], mods=[], config=config)
    app.export(mod_name="S", name="run", api=True)(items)
    counts: list[int] = []

    async def listen() -> None:
        async with EventStreamClient(app).connect("/sse/S/run") as stream:
            counts.append(len([event async for event in stream if event.event == "message"]))

    with anyio.fail_after(100):
        async with app, anyio.create_task_group() as group:
            for _ in range(40):
                group.start_soon(listen)
    assert counts == [3] * 40
    assert most <= 4

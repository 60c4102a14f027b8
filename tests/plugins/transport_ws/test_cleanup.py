"""Whatever happens to many sockets, nothing of them is left."""

import gc
import threading
import weakref
from typing import Any

import anyio
import pytest

from pegboard_transport_ws._connection import Connection
from tests.plugins.transport_ws.client import Client, scope_of
from tests.plugins.transport_ws.conftest import Room, RunApp, hub_of

pytestmark = pytest.mark.anyio
TALK = "/ws/Room/talk"
MANY = 1_000


def running_tasks() -> int:
    try:
        import asyncio

        return len(asyncio.all_tasks())
    except RuntimeError:
        import trio

        return trio.lowlevel.current_statistics().tasks_living


async def leave(client: Client, way: str) -> None:
    if way == "leave":
        await client.leave()
    elif way == "vanish":
        client.pause()
        await client.leave(1006)
    else:
        client.cancel.cancel()
        await client.ended.wait()
    await client.aclose()


@pytest.mark.parametrize("way", ["leave", "vanish", "cancel"])
async def test_a_thousand_sockets_are_served_and_leave_nothing(run_app: RunApp, way: str) -> None:
    room = Room()
    async with run_app() as app:
        room.declare(app)
        threads, tasks_before = threading.active_count(), running_tasks()
        async with anyio.create_task_group() as tasks:
            clients = [Client(app.asgi(), scope_of(TALK)) for _ in range(MANY)]
            for client in clients:
                await client.open(tasks)
            assert await app.ws_broadcast("Room/talk", {"to": "all"}) == MANY
            for client in clients:
                assert await client.receive() == {"to": "all"}
            connections = [weakref.ref(each) for each in hub_of(app).members()]
            async with anyio.create_task_group() as leaving:
                for client in clients:
                    leaving.start_soon(leave, client, way)
        statistics = hub_of(app).statistics()
        assert (statistics.connections, statistics.channels) == (0, {})
        assert (statistics.sent, statistics.dropped) == (MANY, 0)
        assert room.events.count("disconnect") == room.events.count("connect") == MANY
        assert threading.active_count() <= threads
        # Senders stay for the next messages: few where sends need not wait.
        assert running_tasks() - tasks_before <= MANY
        for generation in app.mods.generations.values():
            assert generation.leases == 0
        del clients, client
        gc.collect()
        assert [each for each in connections if each() is not None] == []


async def test_when_all_are_cut_at_once_each_is_told_once(run_app: RunApp) -> None:
    room = Room()
    async with anyio.create_task_group() as tasks:
        async with run_app() as app:
            room.declare(app)
            clients = [Client(app.asgi(), scope_of(TALK)) for _ in range(MANY)]
            for client in clients:
                await client.open(tasks)
        assert room.events.count("disconnect") == MANY
        for client in clients:
            await client.aclose()


async def test_after_the_app_has_ended_no_object_of_a_socket_lives(run_app: RunApp) -> None:
    room = Room()
    async with anyio.create_task_group() as tasks:
        async with run_app() as app:
            room.declare(app)
            client = await Client(app.asgi(), scope_of(TALK)).open(tasks)
            await client.send({"n": 1})
            await client.receive()
            del client
        await anyio.wait_all_tasks_blocked()
    gc.collect()
    assert not [each for each in gc.get_objects() if isinstance(each, Connection)]


async def test_sends_that_wait_share_tasks_once_they_are_done(run_app: RunApp) -> None:
    room: Any = Room()
    async with run_app() as app:
        room.declare(app)
        async with anyio.create_task_group() as tasks:
            clients = [await Client(app.asgi(), scope_of(TALK)).open(tasks) for _ in range(20)]
            before = running_tasks()
            for _ in range(3):
                for client in clients:
                    client.pause()
                await app.ws_broadcast("Room/talk", 1)
                await anyio.wait_all_tasks_blocked()
                for client in clients:
                    client.resume()
                for client in clients:
                    await client.receive()
            assert running_tasks() - before <= len(clients) + 2
            for client in clients:
                await client.aclose()

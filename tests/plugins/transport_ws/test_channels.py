"""Channels: who receives what, and what becomes of those who do not read."""

from typing import Any

import anyio
import pytest

from pegboard import App
from pegboard.errors import TooLargeError
from tests.plugins.transport_ws.client import Client, Closed, connect, refused, scope_of
from tests.plugins.transport_ws.conftest import Room, RunApp, hub_of

pytestmark = pytest.mark.anyio
TALK = "/ws/Room/talk"
BIG = "x" * 1_000


async def test_send_and_broadcast_reach_whom_they_name_and_say_how_many(run_app: RunApp) -> None:
    room = Room()
    async with run_app() as app:
        room.declare(app)
        async with connect(app, TALK) as alice, connect(app, TALK) as bob:
            first, second = room.ids
            assert await app.ws_send(first, b"\x01")
            assert await app.ws_broadcast("Room/talk", {"to": "all"}) == 2
            assert await app.ws_broadcast("Room/talk", {"to": "bob"}, source_conn_id=first) == 1
            assert [await alice.receive(), await alice.receive()] == [b"\x01", {"to": "all"}]
            assert [await bob.receive(), await bob.receive()] == [{"to": "all"}, {"to": "bob"}]
            assert not await app.ws_send("nobody", 1)
            assert await app.ws_broadcast("Room/none", 1) == 0
            assert app.ws_connections() == app.ws_connections("Room/talk") == [first, second]
        assert app.ws_connections() == app.ws_connections("Room/talk") == []
        assert not await app.ws_send(first, 1)


async def test_connections_join_and_leave_channels(run_app: RunApp) -> None:
    room = Room()
    async with run_app() as app:
        room.declare(app)
        async with connect(app, TALK) as client:
            (conn_id,) = room.ids
            assert await app.ws_join(conn_id, "news")
            assert await app.ws_join(conn_id, "news")
            assert await app.ws_broadcast("news", {"n": 1}) == 1
            assert await client.receive() == {"n": 1}
            assert await app.ws_leave(conn_id, "news")
            assert not await app.ws_leave(conn_id, "news")
            assert await app.ws_broadcast("news", {"n": 2}) == 0
            assert await app.ws_leave(conn_id, "Room/talk")
            assert await app.ws_broadcast("Room/talk", {"n": 3}) == 0
            assert await app.ws_send(conn_id, {"n": 4})
            assert await client.receive() == {"n": 4}
            assert not await app.ws_join("nobody", "news")
            assert not await app.ws_leave("nobody", "news")
            await app.ws_join(conn_id, "news")
        assert hub_of(app).statistics().channels == {}
        assert not await app.ws_join(conn_id, "news")


async def test_a_connection_is_in_no_more_channels_than_it_may(run_app: RunApp) -> None:
    room = Room()
    async with run_app(max_channels=2) as app:
        room.declare(app)
        async with connect(app, TALK):
            await app.ws_join(room.ids[0], "one")
            await app.ws_join(room.ids[0], "one")
            with pytest.raises(TooLargeError, match="in 2 channels"):
                await app.ws_join(room.ids[0], "two")


async def test_a_payload_that_is_no_json_is_the_senders_error(run_app: RunApp) -> None:
    room = Room()
    async with run_app() as app:
        room.declare(app)
        async with connect(app, TALK):
            with pytest.raises(TypeError, match="cannot be sent as JSON"):
                await app.ws_send(room.ids[0], object())
            with pytest.raises(TypeError, match="cannot be sent as JSON"):
                await app.ws_broadcast("Room/talk", object())


async def test_a_broadcast_encodes_its_payload_once(run_app: RunApp) -> None:
    room = Room()
    async with run_app() as app:
        room.declare(app)
        async with connect(app, TALK) as one, connect(app, TALK) as two:
            one.pause()
            two.pause()
            await app.ws_broadcast("Room/talk", "first")
            await anyio.wait_all_tasks_blocked()
            await app.ws_broadcast("Room/talk", "second")
            first, second = hub_of(app).members()
            assert first.outbox.take() is second.outbox.take() is not None


async def test_a_slow_client_delays_nobody_and_is_closed_once_its_queue_is_full(
    run_app: RunApp,
) -> None:
    room = Room()
    async with run_app(queue_messages=10) as app:
        room.declare(app)
        async with connect(app, TALK) as slow, connect(app, TALK) as quick:
            slow.pause()
            for number in range(12):
                await app.ws_broadcast("Room/talk", [number])
                assert await quick.receive() == [number]
            assert app.ws_connections() == [room.ids[1]]
            statistics = hub_of(app).statistics()
            assert (statistics.slow_closed, statistics.queued, statistics.queued_bytes) == (1, 0, 0)
            slow.resume()
            assert await slow.receive() == [0]
            with pytest.raises(Closed) as end:
                await slow.receive()
            assert end.value.code == 1013
            await quick.send({"still": "here"})
            assert await quick.receive() == {"still": "here"}
    assert sorted(map(str, room.events)) == sorted(
        ["connect"] * 2 + ["disconnect"] * 2 + [str({"still": "here"})]
    )


@pytest.mark.parametrize(
    ("policy", "kept"),
    [("drop_oldest", [[0], [8], [9]]), ("drop_newest", [[0], [1], [2]])],
)
async def test_a_slow_client_may_lose_messages_instead(
    run_app: RunApp, policy: str, kept: list[list[int]]
) -> None:
    room = Room()
    async with run_app(queue_messages=2, slow_consumer=policy) as app:
        room.declare(app)
        async with connect(app, TALK) as slow, connect(app, TALK) as quick:
            slow.pause()
            for number in range(10):
                await app.ws_broadcast("Room/talk", [number])
                assert await quick.receive() == [number]
            statistics = hub_of(app).statistics()
            assert (statistics.queued, statistics.dropped, statistics.slow_closed) == (2, 7, 0)
            slow.resume()
            assert [await slow.receive() for _ in range(3)] == kept


async def test_a_client_that_takes_nothing_is_cut_after_the_send_timeout(run_app: RunApp) -> None:
    room = Room()
    async with run_app(send_timeout=0.02) as app:
        room.declare(app)
        async with connect(app, TALK) as stuck:
            stuck.pause()
            await app.ws_broadcast("Room/talk", BIG)
            with anyio.fail_after(5):
                await stuck.ended.wait()
        assert hub_of(app).statistics().slow_closed == 1
    assert room.events == ["connect", "disconnect"]


async def test_a_client_that_does_not_read_its_answers_is_cut_as_well(run_app: RunApp) -> None:
    room = Room()
    async with run_app(send_timeout=0.02) as app:
        room.declare(app)
        async with connect(app, TALK) as stuck:
            stuck.pause()
            await stuck.send({"answer": "me"})
            with anyio.fail_after(5):
                await stuck.ended.wait()


async def test_a_stuck_client_that_is_to_be_closed_is_cut_in_time(run_app: RunApp) -> None:
    room = Room()
    async with anyio.create_task_group() as tasks, run_app(close_timeout=0.02) as app:
        room.declare(app)
        client = await Client(app.asgi(), scope_of(TALK)).open(tasks)
        client.pause()
        await app.ws_send(room.ids[0], BIG)
        app.stopping.set()
        with anyio.fail_after(5):
            await client.ended.wait()
        await client.aclose()
    assert room.events == ["connect", "disconnect"]


async def test_a_client_that_vanishes_while_it_is_sent_to_is_noticed(run_app: RunApp) -> None:
    room = Room()
    async with run_app() as app:
        room.declare(app)
        async with connect(app, TALK) as client:
            client.pause()
            await app.ws_send(room.ids[0], BIG)
            await client.leave(1006)
        assert app.ws_connections() == []
        assert not await app.ws_send(room.ids[0], BIG)
    assert room.events == ["connect", "disconnect"]


async def test_who_sends_much_to_a_healthy_client_loses_nothing(run_app: RunApp) -> None:
    async with run_app(queue_messages=100) as app:

        @app.export(mod_name="Room", websocket_handler="talk")
        def room() -> Any:
            async def on_message(app: Any, conn_id: str, session: Any, payload: Any) -> None:
                for number in range(5_000):
                    assert await app.ws_send(conn_id, number)
                for number in range(5_000):
                    assert await app.ws_broadcast("Room/talk", number) == 1

            return {"on_message": on_message}

        async with connect(app, TALK) as client:
            await client.send("go")
            received = [await client.receive() for _ in range(10_000)]
    assert received == [*range(5_000), *range(5_000)]


async def test_a_client_with_many_unread_answers_is_not_read_from(run_app: RunApp) -> None:
    handled = 0
    async with run_app() as app:

        @app.export(mod_name="Room", websocket_handler="talk")
        def room() -> Any:
            async def on_message(app: Any, conn_id: str, session: Any, payload: Any) -> None:
                nonlocal handled
                handled += 1
                await app.ws_send(conn_id, payload)

            return {"on_message": on_message}

        async with connect(app, TALK) as client:
            client.pause()
            for number in range(500):
                await client.send(number)
            await anyio.wait_all_tasks_blocked()
            assert handled < 100
            client.resume()
            assert [await client.receive() for _ in range(500)] == list(range(500))


async def test_statistics_add_up_what_was_and_what_is(run_app: RunApp) -> None:
    room = Room()
    async with run_app() as app:
        room.declare(app)
        async with connect(app, TALK) as client:
            await client.send({"n": 1})
            await client.receive()
        async with connect(app, TALK) as client:
            await client.send({"n": 1})
            await client.receive()
            statistics = hub_of(app).statistics()
            assert (statistics.connections, statistics.channels) == (1, {"Room/talk": 1})
            assert (statistics.sent, statistics.received) == (2, 2)
        await refused(app, "/ws/Room/none")
        assert hub_of(app).statistics().connections == 0


async def streaming(app: App, sent: list[bool]) -> None:
    """Declare a handler that sends to its own client until that is refused, or enough."""

    @app.export(mod_name="Room", websocket_handler="talk")
    def room() -> Any:
        async def on_message(app: Any, conn_id: str, session: Any, payload: int) -> None:
            while len(sent) < payload and sent[-1:] != [False]:
                sent.append(await app.ws_send(conn_id, len(sent)))

        return {"on_message": on_message}


async def test_a_handler_waits_for_its_own_client(run_app: RunApp) -> None:
    sent: list[bool] = []
    async with run_app(queue_messages=100) as app:
        await streaming(app, sent)
        async with connect(app, TALK) as client:
            client.pause()
            await client.send(1_000)
            await anyio.wait_all_tasks_blocked()
            assert len(sent) < 100
            client.resume()
            assert [await client.receive() for _ in range(1_000)] == list(range(1_000))
    assert all(sent)


async def test_a_handler_that_waits_for_its_client_is_told_when_that_is_to_be_closed(
    run_app: RunApp,
) -> None:
    sent: list[bool] = []
    async with anyio.create_task_group() as tasks, run_app(close_timeout=60) as app:
        await streaming(app, sent)
        client = await Client(app.asgi(), scope_of(TALK)).open(tasks)
        client.pause()
        await client.send(1_000)
        await anyio.wait_all_tasks_blocked()
        assert sent[-1]
        app.stopping.set()
        await anyio.wait_all_tasks_blocked()
        assert not sent[-1]
        await client.aclose()


async def test_a_cut_client_leaves_no_task_that_still_sends_to_it(run_app: RunApp) -> None:
    room = Room()
    async with run_app(send_timeout=0.02) as app:
        room.declare(app)
        async with connect(app, TALK) as stuck:
            stuck.pause()
            await app.ws_broadcast("Room/talk", BIG)
            with anyio.fail_after(5):
                await stuck.ended.wait()
            await anyio.wait_all_tasks_blocked()
            assert stuck.sending == 0

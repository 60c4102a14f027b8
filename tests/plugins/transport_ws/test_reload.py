"""Open sockets and the replacing of code."""

import gc
import weakref
from typing import Any

import anyio
import pytest

from pegboard import App, Session, hookimpl
from pegboard._export import collected
from tests.plugins.transport_ws.client import Client, Closed, Refused, connect, scope_of
from tests.plugins.transport_ws.conftest import RunApp

pytestmark = pytest.mark.anyio
TALK = "/ws/Room/talk"


class Version:
    """The handlers of one version of a mod."""

    def __init__(self, number: int, heard: list[Any]) -> None:
        self.number = number
        self.heard = heard
        self.release = anyio.Event()

    async def on_connect(self, conn_id: str) -> None:
        self.heard.append(("connect", self.number))

    async def on_message(self, payload: Any) -> Any:
        if payload == "wait":
            await self.release.wait()
        return {"version": self.number}

    async def on_disconnect(self, conn_id: str) -> None:
        self.heard.append(("disconnect", self.number))


class Levels:
    """Sessions with the level that a header names.

    Attributes:
        asked: Set when a session is looked for.
        known: Sessions are found once this is set.
    """

    def __init__(self) -> None:
        self.asked, self.known = anyio.Event(), anyio.Event()
        self.known.set()

    @hookimpl
    def load_session(self, connection: Any) -> Any:
        async def load() -> Session:
            self.asked.set()
            await self.known.wait()
            return Session(level=int(connection.headers.get("x-level")), anonymous=False)

        return load()


def load(app: App, version: Version | None, *, name: str = "room", level: int = 0) -> Any:
    """Replace the mod `Room` as a reload does; return its generation."""
    with collected() as declarations:
        if version is not None:

            @app.export(name=name, mod_name="Room", websocket_handler="talk", level=level)
            def room() -> Any:
                return {
                    "on_connect": version.on_connect,
                    "on_message": version.on_message,
                    "on_disconnect": version.on_disconnect,
                }

    generation = app.mods.new_generation("Room")
    app.registry.commit(app.mods.stage(declarations, generation))
    return generation


async def test_the_next_event_of_an_open_socket_goes_to_the_new_code(run_app: RunApp) -> None:
    heard: list[Any] = []
    async with run_app() as app:
        load(app, Version(1, heard))
        async with connect(app, TALK) as client:
            await client.send(0)
            assert await client.receive() == {"version": 1}
            load(app, Version(2, heard))
            await client.send(0)
            assert await client.receive() == {"version": 2}
            load(app, Version(3, heard), name="renamed_function")
            await client.send(0)
            assert await client.receive() == {"version": 3}
    assert heard == [("connect", 1), ("disconnect", 3)]


async def test_an_event_that_runs_ends_in_the_code_that_it_began_in(run_app: RunApp) -> None:
    heard: list[Any] = []
    async with run_app() as app:
        old = Version(1, heard)
        generation = load(app, old)
        async with connect(app, TALK) as client:
            await client.send("wait")
            await anyio.wait_all_tasks_blocked()
            load(app, Version(2, heard))
            assert generation.leases == 1
            old.release.set()
            assert await client.receive() == {"version": 1}
            await client.send(0)
            assert await client.receive() == {"version": 2}
            assert generation.leases == 0


async def test_a_client_that_does_not_read_its_answer_holds_up_no_drain(run_app: RunApp) -> None:
    async with run_app() as app:
        old = Version(1, [])
        generation, remembered = load(app, old), weakref.ref(old)
        async with connect(app, TALK) as client:
            await anyio.wait_all_tasks_blocked()
            client.pause()
            await client.send(0)
            await anyio.wait_all_tasks_blocked()
            assert (client.sending, generation.leases) == (1, 0)
            load(app, Version(2, []))
            del old
            gc.collect()
            assert remembered() is None


async def test_an_open_socket_keeps_nothing_of_old_code_alive(run_app: RunApp) -> None:
    heard: list[Any] = []
    async with run_app() as app:
        old = Version(1, heard)
        load(app, old)
        remembered = weakref.ref(old)
        async with connect(app, TALK) as client:
            await client.send(0)
            await client.receive()
            load(app, Version(2, heard))
            del old
            await anyio.wait_all_tasks_blocked()
            gc.collect()
            assert remembered() is None


async def test_a_handler_that_is_removed_hears_of_the_end_of_its_sockets(run_app: RunApp) -> None:
    heard: list[Any] = []
    async with run_app() as app:
        generation = load(app, Version(1, heard))
        async with connect(app, TALK) as client:
            load(app, None)
            assert generation.leases == 1
            assert await client.closed() == 1012
        assert generation.leases == 0
    assert heard == [("connect", 1), ("disconnect", 1)]


async def test_a_reload_that_raises_the_level_closes_who_may_no_longer_be_there(
    run_app: RunApp,
) -> None:
    async with run_app(Levels()) as app:
        load(app, Version(1, []))
        async with (
            connect(app, TALK, headers={"x-level": "1"}) as user,
            connect(app, TALK, headers={"x-level": "10"}) as admin,
        ):
            load(app, Version(2, []), level=10)
            await user.send(0)
            assert await user.closed() == 1008
            await admin.send(0)
            assert await admin.receive() == {"version": 2}


async def test_a_version_that_fails_to_load_leaves_sockets_with_the_old_one(
    run_app: RunApp,
) -> None:
    heard: list[Any] = []
    async with run_app() as app:
        load(app, Version(1, heard))
        async with connect(app, TALK) as client:
            broken: Any = Version(2, heard)
            broken.on_message = "no function"
            with pytest.raises(Exception, match="on_message has to be a function"):
                load(app, broken)
            await client.send(0)
            assert await client.receive() == {"version": 1}


async def test_a_level_that_rises_while_the_session_is_looked_for_holds_for_the_handshake(
    run_app: RunApp,
) -> None:
    heard: list[Any] = []
    levels = Levels()
    levels.known = anyio.Event()
    async with run_app(levels) as app, anyio.create_task_group() as tasks:
        load(app, Version(1, heard))
        user, admin = (
            Client(app.asgi(), scope_of(TALK, headers={"x-level": level})) for level in ("0", "10")
        )
        for client in (user, admin):
            client.start(tasks)
        with anyio.fail_after(5):
            await levels.asked.wait()
        await anyio.wait_all_tasks_blocked()
        load(app, Version(2, heard), level=10)
        levels.known.set()
        with pytest.raises(Refused, match="level 10") as refusal:
            await user.accepted()
        assert refusal.value.status == 403
        await admin.accepted()
        await admin.aclose()
    assert heard == [("connect", 2), ("disconnect", 2)]


async def test_a_listener_whose_level_is_too_low_now_hears_nothing_more(run_app: RunApp) -> None:
    async with run_app(Levels()) as app:
        load(app, Version(1, []))
        async with (
            connect(app, TALK, headers={"x-level": "1"}) as user,
            connect(app, TALK, headers={"x-level": "10"}) as admin,
        ):
            load(app, Version(2, []), level=10)
            assert await app.ws_broadcast("Room/talk", "for admins") == 1
            assert await admin.receive() == "for admins"
            with pytest.raises(Closed) as end:
                await user.receive()
            assert end.value.code == 1008


async def test_a_level_that_rises_while_on_connect_runs_refuses_the_client(
    run_app: RunApp,
) -> None:
    class Slow(Version):
        async def on_connect(self, conn_id: str) -> None:
            await self.release.wait()

    async with run_app(Levels()) as app, anyio.create_task_group() as tasks:
        slow = Slow(1, [])
        load(app, slow)
        user = Client(app.asgi(), scope_of(TALK, headers={"x-level": "1"}))
        user.start(tasks)
        await anyio.wait_all_tasks_blocked()
        load(app, Version(2, []), level=10)
        slow.release.set()
        with pytest.raises(Refused) as refusal:
            await user.accepted()
        assert refusal.value.status == 403


@pytest.mark.usefixtures("modules_restored")
async def test_open_sockets_outlive_the_transport_that_took_them(run_app: RunApp) -> None:
    async with run_app() as app:

        @app.export(name="room", mod_name="Room", websocket_handler="talk")
        def room() -> Any:
            return {"on_message": lambda payload: {"heard": payload}}

        async with connect(app, TALK) as first:
            (outcome,) = await app.reloader.reload("transport_ws")
            assert outcome.outcome == "reloaded", outcome
            async with connect(app, TALK) as second:
                assert len(app.ws_connections("Room/talk")) == 2
                await first.send("still")
                assert await first.receive() == {"heard": "still"}
                assert await app.ws_broadcast("Room/talk", {"to": "all"}) == 2
                assert [await first.receive(), await second.receive()] == [{"to": "all"}] * 2
                (report,) = app.reloader.retired()
                assert (report.owner, report.busy) == ("transport_ws", 1)
        with anyio.fail_after(5):
            await app.reloader.settle()
        assert not app.reloader.draining


@pytest.mark.usefixtures("modules_restored")
async def test_sockets_that_the_new_code_cannot_keep_are_closed(run_app: RunApp) -> None:
    async with run_app() as app:

        @app.export(name="room", mod_name="Room", websocket_handler="talk")
        def room() -> Any:
            return {"on_message": lambda payload: {"heard": payload}}

        plugin = app.plugins.active["transport_ws"].plugin
        plugin.sockets = 0
        try:
            async with connect(app, TALK) as first:
                await app.reloader.reload("transport_ws")
                with pytest.raises(Closed) as caught:
                    await first.receive()
                assert caught.value.code == 1012
        finally:
            del plugin.sockets

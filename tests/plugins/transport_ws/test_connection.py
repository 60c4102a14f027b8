"""One socket: handshake, messages, errors, the end."""

import logging
from typing import Any

import anyio
import pytest

from pegboard import App, Result, Session, current_request, current_session, hookimpl
from pegboard.errors import (
    ConflictError,
    ForbiddenError,
    PegboardError,
    UnauthorizedError,
    UnavailableError,
)
from pegboard_transport_ws._refusal import Refusal
from tests.plugins.transport_ws.client import Client, Closed, Refused, connect, refused, scope_of
from tests.plugins.transport_ws.conftest import Room, RunApp, hub_of

pytestmark = pytest.mark.anyio
TALK = "/ws/Room/talk"


# -- messages --------------------------------------------------------------------------------


async def test_each_event_reaches_its_handler_once_and_in_order(run_app: RunApp) -> None:
    room = Room()
    async with run_app() as app:
        room.declare(app)
        async with connect(app, TALK) as client:
            for payload in ({"n": 1}, [2], "three", 4, None):
                await client.send(payload)
            await client.send_bytes(b"\x00")
            assert [await client.receive() for _ in range(3)] == [{"n": 1}, [2], b"\x00"]
    assert room.events == ["connect", {"n": 1}, [2], "three", 4, None, b"\x00", "disconnect"]


async def test_text_that_is_not_json_is_answered_with_an_error_and_the_socket_lives_on(
    run_app: RunApp,
) -> None:
    room = Room()
    async with run_app() as app:
        room.declare(app)
        async with connect(app, TALK) as client:
            await client.send_text("{nope")
            error = await client.receive()
            assert (error["type"], error["code"]) == ("error", "input")
            assert "has to be JSON" in error["message"]
            await client.send({"still": "here"})
            assert await client.receive() == {"still": "here"}


async def test_a_handler_that_raises_closes_nothing_and_shows_no_secret(
    run_app: RunApp, caplog: pytest.LogCaptureFixture
) -> None:
    async with run_app() as app:

        @app.export(mod_name="Room", websocket_handler="talk")
        def room() -> Any:
            async def on_message(payload: Any) -> Any:
                if payload:
                    raise RuntimeError("the password is secret")
                return {"fine": True}

            return {"on_message": on_message}

        async with connect(app, TALK) as client:
            await client.send(1)
            error = await client.receive()
            assert set(error) == {"type", "message", "code", "error_id"}
            assert error["message"] == f"internal error, id {error['error_id']}"
            await client.send(0)
            assert await client.receive() == {"fine": True}
        (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
        assert error["error_id"] in record.getMessage()
        assert record.exc_info
        assert str(record.exc_info[1]) == "the password is secret"
        assert app.statistics()["calls_failed"] == 1


async def test_in_development_the_traceback_is_shown(run_app: RunApp) -> None:
    async with run_app(dev=True) as app:

        @app.export(mod_name="Room", websocket_handler="talk")
        def room() -> Any:
            async def on_message(payload: Any) -> Any:
                raise RuntimeError("seen")

            return {"on_message": on_message}

        async with connect(app, TALK) as client:
            await client.send(1)
            assert "RuntimeError: seen" in (await client.receive())["message"]


async def test_an_error_that_is_meant_for_the_caller_travels_with_its_text_and_code(
    run_app: RunApp,
) -> None:
    async with run_app() as app:

        @app.export(mod_name="Room", websocket_handler="talk")
        def room() -> Any:
            async def on_message(payload: Any) -> Any:
                raise ConflictError("somebody else has the seat")

            return {"on_message": on_message}

        async with connect(app, TALK) as client:
            await client.send(1)
            told = {"type": "error", "message": "somebody else has the seat", "code": "conflict"}
            assert await client.receive() == told


@pytest.mark.parametrize("answer", [object(), {"set": {1j}}])
async def test_an_answer_that_is_no_json_is_the_handlers_failure(
    run_app: RunApp, answer: Any
) -> None:
    async with run_app() as app:

        @app.export(mod_name="Room", websocket_handler="talk")
        def room() -> Any:
            async def on_message(payload: Any) -> Any:
                return {"answer": answer}

            return {"on_message": on_message}

        async with connect(app, TALK) as client:
            await client.send(1)
            assert (await client.receive())["code"] == "internal"


@pytest.mark.parametrize("answer", [7, True, "text", None])
async def test_a_bare_value_that_a_handler_happens_to_return_is_not_sent(
    run_app: RunApp, answer: Any
) -> None:
    async with run_app() as app:

        @app.export(mod_name="Room", websocket_handler="talk")
        def room() -> Any:
            async def on_message(payload: Any) -> Any:
                return answer if payload == 1 else {"second": True}

            return {"on_message": on_message}

        async with connect(app, TALK) as client:
            await client.send(1)
            await client.send(2)
            assert await client.receive() == {"second": True}


async def test_a_result_is_answered_as_its_envelope_and_its_task_runs(run_app: RunApp) -> None:
    ran = anyio.Event()

    async def task() -> None:
        ran.set()

    async with run_app() as app:

        @app.export(mod_name="Room", websocket_handler="talk")
        def room() -> Any:
            async def on_message(payload: Any) -> Any:
                return Result.ok(payload).task(task)

            return {"on_message": on_message}

        async with connect(app, TALK) as client:
            await client.send({"n": 1})
            assert (await client.receive())["result"]["data"] == {"n": 1}
            with anyio.fail_after(5):
                await ran.wait()


async def test_messages_of_one_socket_are_handled_one_at_a_time(run_app: RunApp) -> None:
    running, order = 0, []
    async with run_app() as app:

        @app.export(mod_name="Room", websocket_handler="talk")
        def room() -> Any:
            async def on_message(payload: int) -> Any:
                nonlocal running
                running += 1
                assert running == 1
                for _ in range(5 - payload):
                    await anyio.lowlevel.checkpoint()
                order.append(payload)
                running -= 1
                return [payload]

            return {"on_message": on_message}

        async with connect(app, TALK) as client:
            for number in range(5):
                await client.send(number)
            assert [await client.receive() for _ in range(5)] == [[n] for n in range(5)]
    assert order == list(range(5))


async def test_a_slow_plain_handler_holds_up_nobody_else(run_app: RunApp) -> None:
    import threading

    release = threading.Event()
    async with run_app() as app:

        @app.export(mod_name="Room", websocket_handler="talk")
        def room() -> Any:
            def on_message(payload: Any) -> Any:
                if payload == "wait":
                    assert release.wait(5)
                return {"done": payload}

            return {"on_message": on_message}

        async with connect(app, TALK) as slow, connect(app, TALK) as quick:
            await slow.send("wait")
            await quick.send("go")
            assert await quick.receive() == {"done": "go"}
            release.set()
            assert await slow.receive() == {"done": "wait"}


async def test_without_on_message_what_clients_send_is_ignored(run_app: RunApp) -> None:
    async with run_app() as app:

        @app.export(mod_name="Room", websocket_handler="talk")
        def room() -> Any:
            async def on_disconnect(conn_id: str) -> None: ...

            return {"on_disconnect": on_disconnect}

        async with connect(app, TALK) as client:
            await client.send_text("{nope")
            (conn_id,) = app.ws_connections("Room/talk")
            assert await app.ws_send(conn_id, {"pushed": 1})
            assert await client.receive() == {"pushed": 1}


@pytest.mark.parametrize("as_text", [True, False])
async def test_a_message_above_the_limit_closes_with_1009(run_app: RunApp, as_text: bool) -> None:
    room = Room()
    async with run_app(max_message=100) as app:
        room.declare(app)
        async with connect(app, TALK) as client:
            await (client.send("x" * 99) if as_text else client.send_bytes(b"x" * 101))
            assert await client.closed() == 1009
    assert room.events == ["connect", "disconnect"]


async def test_session_and_request_are_known_inside_handlers_and_to_no_other_socket(
    run_app: RunApp,
) -> None:
    class Names:
        @hookimpl
        def load_session(self, connection: Any) -> Any:
            async def load() -> Session:
                name = connection.headers.get("x-name")
                return Session(user_name=name, user_id=name, level=1, anonymous=False)

            return load()

    async with run_app(Names()) as app:

        @app.export(mod_name="Room", websocket_handler="talk", websocket_context=True)
        def room() -> Any:
            async def on_message(session: Any, ws_context: Any) -> Any:
                request = current_request()
                assert request is not None
                session["seen"] = session.get("seen", 0) + 1
                return {
                    "context": current_session().user_name,
                    "session": session["user_name"],
                    "seen": session["seen"],
                    "user": ws_context.user_id,
                    "query": request.query_params,
                    "method": request.method,
                }

            return {"on_message": on_message}

        async with (
            connect(app, f"{TALK}?a=1", headers={"x-name": "alice"}) as alice,
            connect(app, f"{TALK}?a=2", headers={"x-name": "bob"}) as bob,
        ):
            for count in (1, 2):
                for client, name, query in ((alice, "alice", "1"), (bob, "bob", "2")):
                    await client.send(0)
                    assert await client.receive() == {
                        "context": name,
                        "session": name,
                        "seen": count,
                        "user": name,
                        "query": {"a": query},
                        "method": "WEBSOCKET",
                    }


# -- the handshake ---------------------------------------------------------------------------


async def connecting(app: App, answer: Any, **options: Any) -> list[str]:
    """Declare a handler whose `on_connect` answers, or raises, what is given."""
    events: list[str] = []

    @app.export(mod_name="Room", websocket_handler="talk", **options)
    def room() -> Any:
        async def on_connect(app: App, conn_id: str, session: Any) -> Any:
            events.append("connect")
            if isinstance(answer, Exception):
                raise answer
            return answer

        async def on_message(app: App, conn_id: str, session: Any, payload: Any) -> Any:
            return dict(session)

        async def on_disconnect(app: App, conn_id: str, session: Any) -> None:
            events.append("disconnect")

        handlers = {"on_connect": on_connect, "on_message": on_message}
        return {**handlers, "on_disconnect": on_disconnect}

    return events


@pytest.mark.parametrize("answer", [None, True, {}, {"accept": True}, Result.ok()])
async def test_on_connect_accepts_unless_it_says_otherwise(run_app: RunApp, answer: Any) -> None:
    async with run_app() as app:
        events = await connecting(app, answer)
        async with connect(app, TALK):
            pass
    assert events == ["connect", "disconnect"]


@pytest.mark.parametrize(
    ("answer", "status", "reason"),
    [
        (False, 403, "the handler refused the connection"),
        ({"accept": False}, 403, "the handler refused the connection"),
        ({"accept": False, "reason": "full"}, 403, "full"),
        (ForbiddenError("not you"), 403, "not you"),
        (UnavailableError("later"), 503, "internal error"),
        (ValueError("secret"), 500, "internal error"),
        (Result.default_user_error("who are you?", 401), 401, "who are you?"),
        (Result.default_user_error("no"), 403, "no"),
    ],
    ids=str,
)
@pytest.mark.parametrize("denial", [True, False])
async def test_on_connect_may_refuse_and_nobody_is_told_of_a_disconnect(
    run_app: RunApp, answer: Any, status: int, reason: str, denial: bool
) -> None:
    async with run_app() as app:
        events = await connecting(app, answer)
        refusal = await refused(app, TALK, denial=denial)
        assert refusal.status == (status if denial else 403)
        assert refusal.reason.startswith(reason)
        assert app.ws_connections() == []
    assert events == ["connect"]


async def test_on_connect_may_add_to_the_session(run_app: RunApp) -> None:
    async with run_app() as app:
        await connecting(app, {"accept": True, "session": {"seat": 7}})
        async with connect(app, TALK) as client:
            await client.send(0)
            session = await client.receive()
            assert (session["seat"], session["user_name"]) == (7, "anonymous")


async def test_what_is_sent_during_on_connect_arrives_first_and_in_order(run_app: RunApp) -> None:
    async with run_app() as app:

        @app.export(mod_name="Room", websocket_handler="talk")
        def room() -> Any:
            async def on_connect(app: App, conn_id: str, session: Any) -> None:
                for number in range(100):
                    assert await app.ws_send(conn_id, [number])
                assert await app.ws_broadcast("Room/talk", ["all"]) == 1
                assert app.ws_connections("Room/talk") == [conn_id]

            return {"on_connect": on_connect}

        async with connect(app, TALK) as client:
            received = [await client.receive() for _ in range(101)]
    assert received == [*([number] for number in range(100)), ["all"]]


async def test_an_on_connect_that_takes_too_long_is_cut_off(run_app: RunApp) -> None:
    async with run_app(connect_timeout=0.01) as app:

        @app.export(mod_name="Room", websocket_handler="talk")
        def room() -> Any:
            async def on_connect(conn_id: str) -> None:
                await anyio.sleep_forever()

            return {"on_connect": on_connect}

        refusal = await refused(app, TALK)
        assert (refusal.status, refusal.reason) == (503, "on_connect took too long")


@pytest.mark.parametrize(
    "path", ["/ws/Room/none", "/ws/None/talk", "/ws/Room", "/ws", "/ws/Room/talk/", "/ws/../x"]
)
async def test_a_path_that_nobody_handles_is_not_found(run_app: RunApp, path: str) -> None:
    async with run_app() as app:
        Room().declare(app)
        assert (await refused(app, path)).status == 404


async def test_mods_and_handlers_may_have_names_in_any_script(run_app: RunApp) -> None:
    async with run_app() as app:

        @app.export(mod_name="Größe.A", websocket_handler="räume 1")
        def room() -> Any:
            return {"on_message": lambda payload: {"got": payload}}

        async with connect(app, "/ws/Größe.A/räume 1") as client:
            await client.send("ß")
            assert await client.receive() == {"got": "ß"}
            assert len(app.ws_connections("Größe.A/räume 1")) == 1


async def test_the_level_of_the_export_is_enforced_before_on_connect(run_app: RunApp) -> None:
    class Levels:
        @hookimpl
        def load_session(self, connection: Any) -> Any:
            async def load() -> Session:
                level = int(connection.headers.get("x-level", "0"))
                return Session(level=level, anonymous=level == 0)

            return load()

    async with run_app(Levels()) as app:
        events = await connecting(app, None, level=10)
        assert (await refused(app, TALK)).status == 401
        assert (await refused(app, TALK, headers={"x-level": "9"})).status == 403
        assert events == []
        async with connect(app, TALK, headers={"x-level": "10"}):
            pass


async def test_a_session_loader_that_fails_denies_without_telling_why(run_app: RunApp) -> None:
    class Broken:
        @hookimpl
        def load_session(self) -> Any:
            async def load() -> Session:
                raise RuntimeError("secret")

            return load()

    async with run_app(Broken()) as app:
        events = await connecting(app, None)
        refusal = await refused(app, TALK)
        assert refusal.status == 503
        assert "secret" not in refusal.reason
        assert events == []


async def test_a_plugin_that_answers_requests_refuses_handshakes(run_app: RunApp) -> None:
    class Maintenance:
        @hookimpl
        def handle_request(self, request: Any) -> Any:
            async def answer() -> Any:
                if request.query_params.get("admin"):
                    return None
                return Result.default_user_error("back at noon", 503)

            return answer()

    async with run_app(Maintenance()) as app:
        Room().declare(app)
        refusal = await refused(app, TALK)
        assert (refusal.status, refusal.reason) == (503, "back at noon")
        async with connect(app, f"{TALK}?admin=1"):
            pass


async def test_a_plugin_that_answers_requests_is_told_who_asks(run_app: RunApp) -> None:
    names = []

    class Doorman:
        @hookimpl
        def load_session(self) -> Any:
            async def session() -> Session:
                return Session(user_name="ada", anonymous=False)

            return session()

        @hookimpl
        def handle_request(self, request: Any) -> None:
            names.append(request.session.user_name)

    async with run_app(Doorman()) as app:
        Room().declare(app)
        async with connect(app, TALK):
            pass
    assert names == ["ada"]


async def test_pages_of_other_sites_may_not_connect_unless_they_are_listed(run_app: RunApp) -> None:
    async with run_app(allowed_origins=["https://friend.example"]) as app:
        Room().declare(app)
        assert (await refused(app, TALK, headers={"origin": "http://evil.example"})).status == 403
        for origin in ("http://testserver", "https://friend.example"):
            async with connect(app, TALK, headers={"origin": origin}):
                pass


async def test_too_many_sockets_are_refused_and_a_place_becomes_free_again(run_app: RunApp) -> None:
    async with run_app(max_connections=2, max_connections_per_client=1) as app:
        Room().declare(app)
        async with connect(app, TALK, address="10.0.0.1"):
            assert (await refused(app, TALK, address="10.0.0.1")).status == 503
            async with connect(app, TALK, address="10.0.0.2"):
                assert (await refused(app, TALK, address="10.0.0.3")).status == 503
            async with connect(app, TALK, address="10.0.0.2"):
                pass


async def test_a_query_that_is_not_utf8_is_a_bad_request(run_app: RunApp) -> None:
    async with run_app() as app:
        Room().declare(app)
        assert (await refused(app, f"{TALK}?a=%ff")).status == 400


async def test_a_subprotocol_is_agreed_on_or_chosen_by_on_connect(run_app: RunApp) -> None:
    async with run_app(subprotocols=["b", "c"]) as app:
        await connecting(app, {"subprotocol": "special"})
        for offered, agreed in (
            (("a", "b", "c"), "b"),
            (("a",), None),
            ((), None),
            (("c", "special"), "special"),
        ):
            async with connect(app, TALK, subprotocols=offered) as client:
                assert client.subprotocol == agreed


# -- the end ---------------------------------------------------------------------------------


async def test_a_socket_can_be_closed_by_its_id_after_what_waits_is_sent(run_app: RunApp) -> None:
    room = Room()
    async with run_app() as app:
        room.declare(app)
        hub = hub_of(app)
        async with connect(app, TALK) as client:
            await app.ws_send(room.ids[0], {"last": "words"})
            assert await hub.close(room.ids[0], 4001, "bye")
            assert not await hub.close(room.ids[0])
            assert not await app.ws_send(room.ids[0], {"too": "late"})
            assert app.ws_connections() == []
            assert await client.receive() == {"last": "words"}
            with pytest.raises(Closed) as end:
                await client.receive()
            assert (end.value.code, end.value.reason) == (4001, "bye")
    assert room.events == ["connect", "disconnect"]


async def test_a_client_that_sends_nothing_may_be_closed_after_a_while(run_app: RunApp) -> None:
    room = Room()
    async with run_app(idle_timeout=0.02) as app:
        room.declare(app)
        async with connect(app, TALK) as client:
            assert await client.closed() == 1001
    assert room.events == ["connect", "disconnect"]


async def test_when_the_app_stops_clients_are_told_and_handlers_hear_of_each(
    run_app: RunApp,
) -> None:
    room, codes = Room(), []
    async with anyio.create_task_group() as tasks, run_app() as app:
        room.declare(app)
        clients = [Client(app.asgi(), scope_of(TALK)) for _ in range(3)]
        for client in clients:
            await client.open(tasks)
        app.stopping.set()
        codes = [await client.closed() for client in clients]
        assert (await refused(app, TALK)).status == 503
        for client in clients:
            await client.aclose()
    assert codes == [1001, 1001, 1001]
    assert sorted(room.events) == ["connect"] * 3 + ["disconnect"] * 3


async def test_an_app_that_ends_closes_its_sockets_and_waits_for_their_handlers(
    run_app: RunApp,
) -> None:
    room = Room()
    async with anyio.create_task_group() as tasks:
        async with run_app() as app:
            room.declare(app)
            client = await Client(app.asgi(), scope_of(TALK)).open(tasks)
        assert room.events == ["connect", "disconnect"]
        assert await client.closed() in {1001, 1012}
        await client.aclose()


async def test_a_handler_that_never_ends_is_cut_off_when_the_app_stops(run_app: RunApp) -> None:
    started = anyio.Event()
    events = []
    async with anyio.create_task_group() as tasks, run_app(close_timeout=0.02) as app:

        @app.export(mod_name="Room", websocket_handler="talk")
        def room() -> Any:
            async def on_message(payload: Any) -> None:
                started.set()
                try:
                    await anyio.sleep_forever()
                finally:
                    events.append("cut")

            async def on_disconnect(conn_id: str) -> None:
                events.append("disconnect")

            return {"on_message": on_message, "on_disconnect": on_disconnect}

        client = await Client(app.asgi(), scope_of(TALK)).open(tasks)
        await client.send(1)
        await started.wait()
        app.stopping.set()
        with anyio.fail_after(5):
            await client.ended.wait()
        await client.aclose()
    assert events == ["cut", "disconnect"]


async def test_when_the_server_cancels_its_task_on_disconnect_still_runs_to_its_end(
    run_app: RunApp,
) -> None:
    events = []
    async with anyio.create_task_group() as tasks, run_app() as app:

        @app.export(mod_name="Room", websocket_handler="talk")
        def room() -> Any:
            async def on_disconnect(conn_id: str) -> None:
                await anyio.lowlevel.checkpoint()
                events.append("disconnect")

            return {"on_disconnect": on_disconnect}

        client = await Client(app.asgi(), scope_of(TALK)).open(tasks)
        client.cancel.cancel()
        with anyio.fail_after(5):
            await client.ended.wait()
        assert events == ["disconnect"]
        assert app.ws_connections() == []
        await client.aclose()


async def test_an_on_disconnect_that_never_ends_is_cut_off_and_one_that_fails_is_logged(
    run_app: RunApp, caplog: pytest.LogCaptureFixture
) -> None:
    async with run_app(disconnect_timeout=0.01) as app:

        @app.export(mod_name="Room", websocket_handler="never")
        def never() -> Any:
            async def on_disconnect(conn_id: str) -> None:
                await anyio.sleep_forever()

            return {"on_disconnect": on_disconnect}

        @app.export(mod_name="Room", websocket_handler="fails")
        def fails() -> Any:
            async def on_disconnect(conn_id: str) -> None:
                raise RuntimeError("broken")

            return {"on_disconnect": on_disconnect}

        async with connect(app, "/ws/Room/never"), connect(app, "/ws/Room/fails"):
            pass
    messages = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
    assert any("on_disconnect of Room/never was cut off" in each for each in messages)
    assert any("on_disconnect of Room/fails failed" in each for each in messages)


async def test_only_the_handler_of_the_socket_hears_of_its_end(run_app: RunApp) -> None:
    room, heard = Room(), []
    async with run_app() as app:
        room.declare(app)

        @app.export(mod_name="Other", websocket_handler="talk")
        def other() -> Any:
            async def on_disconnect(conn_id: str) -> None:
                heard.append(conn_id)

            return {"on_disconnect": on_disconnect}

        async with connect(app, "/ws/Other/talk"), connect(app, TALK):
            pass
    assert room.events == ["connect", "disconnect"]
    assert len(heard) == 1


# -- a handshake that the end overtakes ------------------------------------------------------


class Waiting:
    """Sessions that are found only once `known` is set."""

    def __init__(self) -> None:
        self.asked, self.known = anyio.Event(), anyio.Event()

    @hookimpl
    def load_session(self, connection: Any) -> Any:
        async def load() -> Session:
            self.asked.set()
            await self.known.wait()
            return Session(level=1, anonymous=False)

        return load()


async def test_a_client_that_is_being_identified_when_the_app_stops_is_refused_at_once(
    run_app: RunApp,
) -> None:
    room, sessions = Room(), Waiting()
    async with run_app(sessions) as app, anyio.create_task_group() as tasks:
        room.declare(app)
        client = Client(app.asgi(), scope_of(TALK))
        client.start(tasks)
        with anyio.fail_after(5):
            await sessions.asked.wait()
            app.stopping.set()
            with pytest.raises(Refused) as refusal:
                await client.accepted()
        assert (refusal.value.status, refusal.value.reason) == (503, "the server stops")
        await client.aclose()
    assert room.events == []


async def test_a_client_that_is_being_identified_does_not_outlive_the_transport(
    run_app: RunApp,
) -> None:
    room, sessions = Room(), Waiting()
    async with anyio.create_task_group() as tasks:
        with anyio.fail_after(5):
            async with run_app(sessions) as app:
                room.declare(app)
                client = Client(app.asgi(), scope_of(TALK))
                client.start(tasks)
                await sessions.asked.wait()
            await client.ended.wait()
    assert room.events == []


async def test_a_stop_just_when_somebody_was_identified_refuses_them(run_app: RunApp) -> None:
    room = Room()

    class Stopping:
        @hookimpl
        def load_session(self, connection: Any) -> Any:
            async def load() -> Session:
                app.stopping.set()
                return Session(level=1, anonymous=False)

            return load()

    async with run_app(Stopping()) as app:
        room.declare(app)
        assert (await refused(app, TALK)).status == 503
    assert room.events == []


async def test_a_connection_that_is_closed_before_it_was_accepted_hears_goodbye_once(
    run_app: RunApp,
) -> None:
    room = Room()

    async def on_connect(app: App, conn_id: str) -> None:
        await Room.on_connect(room, conn_id)
        await hub_of(app).close(conn_id, 4000, "not now")

    room.on_connect = on_connect  # type: ignore[method-assign, assignment]
    async with run_app() as app:
        room.declare(app)
        refusal = await refused(app, TALK)
        assert (refusal.status, refusal.reason) == (503, "not now")
        with anyio.fail_after(5):
            await room.left.wait()
    assert room.events == ["connect", "disconnect"]


async def test_a_connection_that_on_connect_refuses_hears_no_goodbye(run_app: RunApp) -> None:
    async with run_app() as app:
        events = await connecting(app, False)
        await refused(app, TALK)
    assert events == ["connect"]


async def test_a_page_under_a_name_that_is_not_ours_is_refused(run_app: RunApp) -> None:
    async with run_app(allowed_hosts=["testserver"]) as app:
        await connecting(app, None)
        evil = {"host": "evil.example:5000", "origin": "http://evil.example:5000"}
        refusal = await refused(app, TALK, headers=evil)
        assert (refusal.status, "allowed_hosts" in refusal.reason) == (403, True)
        async with connect(app, TALK, headers={"origin": "http://testserver"}):
            pass


@pytest.mark.parametrize(
    ("error", "header"),
    [
        (UnauthorizedError("who are you"), (b"www-authenticate", b'Bearer realm="pegboard"')),
        (UnavailableError("busy", retry_after=2.5), (b"retry-after", b"3")),
    ],
)
def test_a_refusal_says_what_would_help(error: PegboardError, header: tuple[bytes, bytes]) -> None:
    assert header in Refusal.of(error).headers

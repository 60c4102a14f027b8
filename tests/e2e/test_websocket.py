"""Sockets on real servers: what clients see, and what is left when they have gone."""

import asyncio
import gc
import json
import resource
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from pegboard import App
from pegboard.contracts.channel import Channels
from pegboard.contracts.server import ServeSettings
from pegboard_server_hypercorn import HypercornServer
from pegboard_server_uvicorn import UvicornServer
from tests.descriptors import descriptors

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(90)]
MANY = 1_000
TIMEOUT = 20

Serve = Callable[..., AbstractAsyncContextManager[tuple[App, str]]]


@pytest.fixture
def anyio_backend() -> str:
    """asyncio: what the client library runs on, in the loop of the server."""
    return "asyncio"


@pytest.fixture
def heard() -> list[str]:
    """What the handlers of the room were told of."""
    return []


@pytest.fixture(params=[UvicornServer, HypercornServer])
def serve(request: pytest.FixtureRequest, heard: list[str]) -> Serve:
    """Serve an app with a room on a free port; yields the app and the address of the room."""

    @asynccontextmanager
    async def run(**settings: Any) -> AsyncIterator[tuple[App, str]]:
        config = {"plugins": {"transport_ws": settings}}
        with socket.create_server(("127.0.0.1", 0), backlog=2_048) as listener:
            async with (
                App("e2e", plugins=["transport_ws"], mods=[], config=config) as app,
                anyio.create_task_group() as tasks,
            ):
                declare_room(app, heard)
                started = anyio.Event()
                tasks.start_soon(serving, request.param(), app, listener.fileno(), started)
                await started.wait()
                yield app, f"ws://127.0.0.1:{listener.getsockname()[1]}/ws/Room/talk"
                app.stopping.set()

    return run


async def serving(server: Any, app: App, descriptor: int, started: anyio.Event) -> None:
    await server.serve(
        app.asgi(),
        ServeSettings(shutdown_timeout=3),
        sockets=[descriptor],
        started=started.set,
        stop=app.stopping,
    )


def declare_room(app: App, heard: list[str]) -> None:
    @app.export(mod_name="Room", websocket_handler="talk")
    def room() -> dict[str, Any]:
        async def on_connect(app: App, conn_id: str, session: dict[str, Any]) -> Any:
            heard.append("connect")
            await app.ws_send(conn_id, {"event": "welcome", "data": session["user_name"]})

        async def on_message(app: App, conn_id: str, session: dict[str, Any], payload: Any) -> Any:
            if payload == "all":
                await app.ws_broadcast("Room/talk", {"event": "all"})
                return None
            return payload

        async def on_disconnect(app: App, conn_id: str, session: dict[str, Any]) -> None:
            heard.append("disconnect")

        handlers = {"on_connect": on_connect, "on_message": on_message}
        return {**handlers, "on_disconnect": on_disconnect}


async def receive(client: ClientConnection) -> Any:
    with anyio.fail_after(TIMEOUT):
        message = await client.recv()
    return json.loads(message) if isinstance(message, str) else message


async def closed(client: ClientConnection) -> int | None:
    """Read on until the server closes; return the code."""
    try:
        while True:
            await receive(client)
    except ConnectionClosed:
        return client.close_code


async def until(is_true: Callable[[], bool]) -> None:
    """Let the server run until something has come about."""
    with anyio.fail_after(TIMEOUT):
        while not is_true():
            await anyio.sleep(0.01)


async def test_text_and_bytes_are_answered_and_errors_close_nothing(
    serve: Serve, heard: list[str]
) -> None:
    async with serve() as (_, address):
        async with connect(address) as client:
            assert await receive(client) == {"event": "welcome", "data": "anonymous"}
            await client.send('{"n": 1}')
            assert await receive(client) == {"n": 1}
            await client.send(b"\x00\xff")
            assert await receive(client) == b"\x00\xff"
            await client.send("{nope")
            assert (await receive(client))["code"] == "input"
            await client.send('{"n": 2}')
            assert await receive(client) == {"n": 2}
        await until(lambda: "disconnect" in heard)
    assert heard == ["connect", "disconnect"]


async def test_a_refusal_has_its_status_and_the_envelope(serve: Serve) -> None:
    async with serve() as (_, address):
        with pytest.raises(InvalidStatus) as refusal:
            await connect(f"{address}/none")
        assert refusal.value.response.status_code == 404
        envelope = json.loads(refusal.value.response.body)
        assert envelope["info"]["exec_code"] == 404
        with pytest.raises(InvalidStatus) as refusal:
            await connect(address, origin="http://evil.example")
        assert refusal.value.response.status_code == 403


async def test_a_message_above_the_limit_closes_with_1009(serve: Serve) -> None:
    async with serve(max_message=1_000) as (_, address), connect(address) as client:
        await client.send("x" * 1_001)
        assert await closed(client) == 1009


async def test_when_the_server_stops_clients_are_told_and_it_ends_in_time(
    serve: Serve, heard: list[str]
) -> None:
    async with AsyncExitStack() as stack:
        with anyio.fail_after(TIMEOUT):
            async with serve() as (app, address):
                clients = [await stack.enter_async_context(connect(address)) for _ in range(5)]
                for client in clients:
                    await receive(client)
                app.stopping.set()
                codes = [await closed(client) for client in clients]
    assert set(codes) <= {1001, 1012}  # a server may be first to say that it stops
    assert heard.count("disconnect") == 5


def stall(address: str) -> socket.socket:
    """Open a socket whose owner reads nothing after the handshake."""
    host, port = address.removeprefix("ws://").partition("/")[0].split(":")
    peer = socket.socket()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    peer.settimeout(TIMEOUT)
    peer.connect((host, int(port)))
    peer.sendall(
        f"GET /ws/Room/talk HTTP/1.1\r\nhost: {host}:{port}\r\nconnection: upgrade\r\n"
        "upgrade: websocket\r\nsec-websocket-version: 13\r\n"
        "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
    )
    assert peer.recv(12) == b"HTTP/1.1 101"
    return peer


async def test_a_client_that_reads_nothing_delays_nobody_and_is_cut(
    serve: Serve, heard: list[str]
) -> None:
    settings = {"queue_messages": 20, "send_timeout": 0.5, "close_timeout": 0.2}
    async with serve(**settings) as (app, address):
        stuck = await anyio.to_thread.run_sync(stall, address)
        with stuck:
            async with connect(address, max_size=None) as quick:
                await receive(quick)
                with anyio.fail_after(TIMEOUT):
                    while len(app.ws_connections()) == 2:
                        await app.ws_broadcast("Room/talk", "x" * 200_000)
                        assert len(await receive(quick)) == 200_000
                await until(lambda: heard.count("disconnect") == 1)
                hub: Any = app.service(Channels)  # type: ignore[type-abstract]  # a Protocol
                assert hub.statistics().slow_closed == 1
                await quick.send('{"still": "here"}')
                assert await receive(quick) == {"still": "here"}


def vanish(client: ClientConnection) -> None:
    """Break the connection without a word."""
    peer = client.transport.get_extra_info("socket")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.transport.abort()


@pytest.mark.parametrize("way", ["close", "vanish"])
async def test_a_thousand_sockets_are_served_and_nothing_of_them_is_left(
    serve: Serve, heard: list[str], way: str
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4 * MANY)), hard))
    async with serve() as (app, address):
        async with connect(address) as client:  # whatever is made once is made now
            await receive(client)
            await client.send('"all"')
            await receive(client)
        await until(lambda: not app.ws_connections())
        heard.clear()
        before = (descriptors(), threading.active_count(), len(asyncio.all_tasks()))
        clients: list[ClientConnection] = []
        while len(clients) < MANY:
            clients += await asyncio.gather(
                *(connect(address, ping_interval=None) for _ in range(50))
            )
        for client in clients:
            await receive(client)
        await clients[0].send('"all"')
        assert [await receive(client) for client in clients] == [{"event": "all"}] * MANY
        if way == "close":
            await asyncio.gather(*(client.close() for client in clients))
        else:
            for client in clients:
                vanish(client)
            await asyncio.gather(*(client.wait_closed() for client in clients))
        await until(lambda: heard.count("disconnect") == MANY)
        assert heard.count("connect") == MANY
        assert app.ws_connections() == []
        del clients, client
        gc.collect()
        senders = 5  # tasks that stay for the next message
        await until(
            lambda: (
                not descriptors() - before[0]
                and threading.active_count() <= before[1]  # idle ones end when they like
                and len(asyncio.all_tasks()) <= before[2] + senders
            )
        )

"""The documented chat, as its users have it."""

from collections.abc import AsyncIterator

import pytest

from pegboard import App
from tests.plugins.transport_ws import chat_module
from tests.plugins.transport_ws.client import connect

pytestmark = pytest.mark.anyio
ROOM = "/ws/ChatModule/public_room"


@pytest.fixture
async def app() -> AsyncIterator[App]:
    async with App("chat", plugins=["transport_ws"], mods=[chat_module]) as app:
        yield app


async def test_who_connects_is_welcomed_by_name(app: App) -> None:
    async with connect(app, ROOM) as alice:
        assert await alice.receive() == {"event": "welcome", "data": "Welcome, anonymous!"}


async def test_the_others_hear_of_who_joins_and_leaves_and_the_newcomer_does_not(app: App) -> None:
    async with connect(app, ROOM) as alice:
        await alice.receive()
        async with connect(app, ROOM) as bob:
            joined = {"event": "user_joined", "data": "anonymous has joined the chat."}
            assert await alice.receive() == joined
            await bob.send({"event": "chat_message", "data": {"message": " hello "}})
            message = {"event": "new_message", "data": {"user": "anonymous", "text": "hello"}}
            assert await alice.receive() == message
            assert [(await bob.receive())["event"], await bob.receive()] == ["welcome", message]
        assert await alice.receive() == {
            "event": "user_left",
            "data": "anonymous has left the chat.",
        }


async def test_an_empty_message_reaches_nobody(app: App) -> None:
    async with connect(app, ROOM) as alice:
        await alice.receive()
        await alice.send({"event": "chat_message", "data": {"message": "  "}})
        await alice.send({"event": "chat_message", "data": {"message": "second"}})
        assert (await alice.receive())["data"]["text"] == "second"

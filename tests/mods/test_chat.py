"""The chat: who is here, what was said, and what a visitor cannot do."""

from types import ModuleType
from typing import Any

import anyio
import pytest

from pegboard import App
from pegboard.errors import LoadError
from pegboard.testing import (
    AppFactory,
    HttpClient,
    WebSocketClient,
    WebSocketConnection,
    WebSocketRefused,
)
from pegboard_mods import chat

pytestmark = pytest.mark.anyio
ROOM = "/ws/chat/public_room"
MODS: list[ModuleType] = [chat]
PLUGINS = ["transport_http", "transport_ws"]


def said(text: Any) -> dict[str, Any]:
    return {"event": "chat_message", "data": {"message": text}}


async def heard(connection: WebSocketConnection, event: str) -> Any:
    """Return the next message, which has to be of this event."""
    with anyio.fail_after(5):
        message = await connection.receive_json()
    assert message["event"] == event, message
    return message


def visitor(app: App, name: str) -> Any:
    return WebSocketClient(app).connect(ROOM, query={"name": name})


async def test_the_documented_story_of_two_visitors(pegboard_app: AppFactory) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app, visitor(app, "Ada") as ada:
        welcome = await heard(ada, "welcome")
        assert welcome["data"] == "Welcome, Ada!"
        assert welcome["here"] == ["Ada"]
        async with visitor(app, "Bob") as bob:
            assert (await heard(bob, "welcome"))["here"] == ["Ada", "Bob"]
            assert (await heard(ada, "user_joined"))["data"] == "Bob has joined the chat."
            await bob.send_json(said("  Hello <b>you</b>  "))
            for each in (ada, bob):
                message = (await heard(each, "new_message"))["data"]
                assert (message["user"], message["text"]) == ("Bob", "Hello <b>you</b>")
        left = await heard(ada, "user_left")
        assert (left["data"], left["user"]) == ("Bob has left the chat.", "Bob")
        assert [each.name for each in app.state("chat").here.values()] == ["Ada"]


async def test_a_newcomer_is_shown_what_was_said_last(
    pegboard_app: AppFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "HISTORY", 2)
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app:
        async with visitor(app, "Ada") as ada:
            await heard(ada, "welcome")
            for text in ("one", "two", "three"):
                await ada.send_json(said(text))
                await heard(ada, "new_message")
        async with visitor(app, "Bob") as bob:
            history = (await heard(bob, "welcome"))["history"]
    assert [each["text"] for each in history] == ["two", "three"]


async def test_two_of_one_name_are_told_apart(pegboard_app: AppFactory) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app, visitor(app, "Ada") as ada:
        await heard(ada, "welcome")
        async with visitor(app, "ADA") as other:
            assert (await heard(other, "welcome"))["user"] == "ADA 2"


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("  Ada   Lovelace ", "Ada Lovelace"),
        ("", "guest"),
        ("\u200b\u202e\0", "guest"),
        ("Ada\nBob", "Ada Bob"),
        ("\uff21da", "Ada"),
        ("x" * 1000, "x" * chat.MAX_NAME),
        ("\u202eadA", "adA"),
    ],
)
async def test_a_name_is_one_line_that_hides_nothing(wanted: str, name: str) -> None:
    assert chat.clean_name(wanted) == name


async def test_a_signed_in_user_has_the_name_of_the_session(pegboard_app: AppFactory) -> None:
    session = {"anonymous": False, "user_name": "Grace"}
    assert chat._wanted_name(session) == "Grace"


@pytest.mark.parametrize(
    "payload",
    [
        said(7),
        said("x" * (chat.MAX_TEXT + 1)),
        {"event": "chat_message"},
        {"event": "other", "data": {"message": "hi"}},
        ["chat_message"],
        "chat_message",
        None,
    ],
)
async def test_what_is_no_message_is_answered_with_an_error(
    pegboard_app: AppFactory, payload: Any
) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app, visitor(app, "Ada") as ada:
        await heard(ada, "welcome")
        await ada.send_json(payload)
        assert (await heard(ada, "error"))["data"].startswith("Not understood")
        await ada.send_json(said("still here"))
        await heard(ada, "new_message")


async def test_an_empty_message_is_not_passed_on(pegboard_app: AppFactory) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app, visitor(app, "Ada") as ada:
        await heard(ada, "welcome")
        await ada.send_json(said(" \n "))
        await ada.send_json(said("next"))
        assert (await heard(ada, "new_message"))["data"]["text"] == "next"


async def test_one_who_floods_the_room_is_not_heard(pegboard_app: AppFactory) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app, visitor(app, "Ada") as ada:
        await heard(ada, "welcome")
        for number in range(chat.BURST):
            await ada.send_json(said(str(number)))
            await heard(ada, "new_message")
        await ada.send_json(said("one too many"))
        await heard(ada, "error")
        assert len(app.state("chat").history) == chat.BURST


async def test_a_full_room_refuses_and_has_room_again(
    pegboard_app: AppFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chat, "MAX_VISITORS", 1)
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app:
        async with visitor(app, "Ada") as ada:
            await heard(ada, "welcome")
            with pytest.raises(WebSocketRefused) as refused:
                async with visitor(app, "Bob"):
                    pass
            assert b"the room is full" in refused.value.body
        async with visitor(app, "Bob") as bob:
            assert (await heard(bob, "welcome"))["here"] == ["Bob"]


async def test_one_who_left_without_a_goodbye_is_forgotten(pegboard_app: AppFactory) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app:
        app.state("chat").here["gone"] = chat.SimpleNamespace(name="Ghost")
        async with visitor(app, "Ada") as ada:
            assert (await heard(ada, "welcome"))["here"] == ["Ada"]


async def test_all_hear_once_that_somebody_left_who_is_missed_only_when_the_next_one_comes(
    pegboard_app: AppFactory,
) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app, visitor(app, "Ada") as ada:
        await heard(ada, "welcome")
        app.state("chat").here["gone"] = chat.SimpleNamespace(name="Ghost")
        async with visitor(app, "Bob"):
            assert (await heard(ada, "user_left"))["user"] == "Ghost"
            assert (await heard(ada, "user_joined"))["user"] == "Bob"
            await chat.on_disconnect(app, "gone", {})
        assert (await heard(ada, "user_left"))["user"] == "Bob"


async def test_the_room_is_kept_when_the_mod_is_loaded_again(pegboard_app: AppFactory) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app, visitor(app, "Ada") as ada:
        await heard(ada, "welcome")
        await ada.send_json(said("before"))
        await heard(ada, "new_message")
        state = app.state("chat")
        chat.open_room(state)
        assert [each["text"] for each in state.history] == ["before"]
        assert [each.name for each in state.here.values()] == ["Ada"]


async def test_the_page_and_what_it_needs_are_served(pegboard_app: AppFactory) -> None:
    async with pegboard_app(plugins=PLUGINS, mods=MODS) as app:
        for path, kind in (("page", "html"), ("script", "javascript"), ("style", "css")):
            response = await HttpClient(app).get(f"/api/chat/{path}")
            assert response.status == 200
            assert response.headers.content_type == f"text/{kind}; charset=utf-8"


async def test_without_the_websocket_plugin_the_message_says_what_to_install(
    pegboard_app: AppFactory,
) -> None:
    with pytest.raises(LoadError, match="pip install pegboard-transport-ws"):
        async with pegboard_app(plugins=["transport_http"], mods=MODS):
            pass

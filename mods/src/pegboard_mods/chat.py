"""A chat room: one WebSocket for each visitor.

It is at `/ws/chat/public_room`, and speaks in these events:

| event | goes to | carries |
|---|---|---|
| `chat_message` | the server | `data.message` |
| `welcome` | who has come | `data`, and `user`, `here`, `history` for the page |
| `user_joined`, `user_left` | everyone else | `data`, a sentence, and `user` |
| `new_message` | everyone | `data.user`, `data.text`, `data.time` |
| `error` | who sent something wrong | `data`, a sentence |
"""

import unicodedata
from collections import deque
from collections.abc import Collection
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from time import monotonic
from types import SimpleNamespace
from typing import Annotated, Any, Literal

import msgspec

from pegboard import App, Result, current_request, get_app
from pegboard_mods._look import style_sheet

export = get_app("chat").tb

CHANNEL = "chat/public_room"
HISTORY = 50  # messages that a newcomer is shown
MAX_VISITORS = 2_000
MAX_NAME = 24  # characters
MAX_TEXT = 2_000  # characters
BURST, BURST_SECONDS = 8, 5.0  # a visitor may send so many messages in so many seconds

_PAGES = Path(__file__).with_name("pages")


class Message(msgspec.Struct):
    """What a visitor says."""

    message: Annotated[str, msgspec.Meta(max_length=MAX_TEXT)]


class Event(msgspec.Struct):
    """What a visitor may send."""

    event: Literal["chat_message"]
    data: Message


@export(initial=True)
def open_room(state: SimpleNamespace) -> None:
    """Prepare what the room remembers: plain data, kept when this file is reloaded."""
    state.history = deque(getattr(state, "history", ()), maxlen=HISTORY)
    state.here = getattr(state, "here", {})


@export(websocket_handler="public_room")
def public_room() -> dict[str, Any]:
    """Say who handles the events of the room."""
    return {"on_connect": on_connect, "on_message": on_message, "on_disconnect": on_disconnect}


async def on_connect(app: App, conn_id: str, session: dict[str, Any]) -> dict[str, Any] | None:
    """Welcome a visitor, and tell the others."""
    room = app.state("chat")
    for gone in room.here.keys() - set(app.ws_connections(CHANNEL)):
        await _leave(app, gone, unseen_by=conn_id)  # closed; the goodbye is late, or was lost
    if len(room.here) >= MAX_VISITORS:
        return {"accept": False, "reason": "the room is full"}
    name = _free_name(_wanted_name(session), {each.name for each in room.here.values()})
    room.here[conn_id] = SimpleNamespace(name=name, sent=deque(maxlen=BURST))
    welcome = {
        "event": "welcome",
        "data": f"Welcome, {name}!",
        "user": name,
        "here": [each.name for each in room.here.values()],
        "history": list(room.history),
    }
    await app.ws_send(conn_id, welcome)
    joined = {"event": "user_joined", "data": f"{name} has joined the chat.", "user": name}
    await app.ws_broadcast(CHANNEL, joined, source_conn_id=conn_id)
    return None


async def on_message(app: App, conn_id: str, session: dict[str, Any], payload: Any) -> None:
    """Pass on what a visitor says, to everyone and to those who come later."""
    room = app.state("chat")
    visitor = room.here[conn_id]
    try:
        text = msgspec.convert(payload, Event).data.message.strip()
    except msgspec.ValidationError as error:
        await app.ws_send(conn_id, {"event": "error", "data": f"Not understood: {error}"})
        return
    if not text:
        return
    if not _may_speak(visitor):
        await app.ws_send(conn_id, {"event": "error", "data": "Not so fast: this was not sent."})
        return
    time = datetime.now(UTC).isoformat(timespec="milliseconds")
    message = {"user": visitor.name, "text": text, "time": time}
    room.history.append(message)
    await app.ws_broadcast(CHANNEL, {"event": "new_message", "data": message})


async def on_disconnect(app: App, conn_id: str, session: dict[str, Any]) -> None:
    """Tell those who stay that a visitor has left."""
    await _leave(app, conn_id)


async def _leave(app: App, conn_id: str, unseen_by: str = "") -> None:
    visitor = app.state("chat").here.pop(conn_id, None)
    if visitor is not None:
        left = f"{visitor.name} has left the chat."
        payload = {"event": "user_left", "data": left, "user": visitor.name}
        await app.ws_broadcast(CHANNEL, payload, source_conn_id=unseen_by)


@export(api=True, api_methods=["GET"], page="Chat")
def page() -> Result[Any]:
    """Talk with whoever is here."""
    return Result.html((_PAGES / "chat.html").read_text("utf-8"))


@export(api=True, api_methods=["GET"], listed=False)
def script() -> Result[str]:
    """Return what the page runs."""
    return Result.text((_PAGES / "chat.js").read_text("utf-8"), "text/javascript")


@export(api=True, api_methods=["GET"], listed=False)
def style() -> Result[str]:
    """Return how the page looks."""
    return style_sheet()


def _wanted_name(session: dict[str, Any]) -> str:
    """Return the name of a signed-in user; anyone else says in the query how to be called."""
    if not session.get("anonymous", True):
        return clean_name(str(session.get("user_name", "")))
    request = current_request()
    return clean_name(str(request.query_params.get("name", "")) if request else "")


def clean_name(text: str) -> str:
    """Return a name that fits on one line and hides nothing: no control or format characters."""
    kept = (
        " " if character.isspace() else character
        for character in unicodedata.normalize("NFKC", text[: 10 * MAX_NAME])
        if character.isspace() or not unicodedata.category(character).startswith("C")
    )
    return " ".join("".join(kept).split())[:MAX_NAME].strip() or "guest"


def _free_name(name: str, taken: Collection[str]) -> str:
    """Number a name that somebody here has, so that nobody speaks as somebody else."""
    folded = {each.casefold() for each in taken}
    names = (name if number == 1 else f"{name} {number}" for number in count(1))
    return next(each for each in names if each.casefold() not in folded)


def _may_speak(visitor: SimpleNamespace) -> bool:
    now = monotonic()
    if len(visitor.sent) == BURST and now - visitor.sent[0] < BURST_SECONDS:
        return False
    visitor.sent.append(now)
    return True

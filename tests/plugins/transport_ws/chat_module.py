"""A chat of one room, written as the guide to WebSocket handlers has it."""

from typing import Any

from pegboard import App, get_app

app = get_app("ChatModule")
export = app.tb
Name = "ChatModule"


async def on_user_connect(app: App, conn_id: str, session: dict[str, Any]) -> None:
    username = session.get("user_name", "Anonymous")
    app.print(f"{username} came as {conn_id}")
    await app.ws_send(conn_id, {"event": "welcome", "data": f"Welcome, {username}!"})
    await app.ws_broadcast(
        channel_id="ChatModule/public_room",
        payload={"event": "user_joined", "data": f"{username} has joined the chat."},
        source_conn_id=conn_id,
    )


async def on_chat_message(
    app: App, conn_id: str, session: dict[str, Any], payload: dict[str, Any]
) -> None:
    username = session.get("user_name", "Anonymous")
    text = payload.get("data", {}).get("message", "").strip()
    if not text:
        return
    app.print(f"{username} ({conn_id}) wrote {text}")
    await app.ws_broadcast(
        channel_id="ChatModule/public_room",
        payload={"event": "new_message", "data": {"user": username, "text": text}},
    )


async def on_user_disconnect(app: App, conn_id: str, session: dict[str, Any]) -> None:
    username = session.get("user_name", "Anonymous")
    app.print(f"{username} ({conn_id}) left")
    await app.ws_broadcast(
        channel_id="ChatModule/public_room",
        payload={"event": "user_left", "data": f"{username} has left the chat."},
    )


@export(mod_name=Name, websocket_handler="public_room")
def register_chat_handlers(app: App) -> dict[str, Any]:
    return {
        "on_connect": on_user_connect,
        "on_message": on_chat_message,
        "on_disconnect": on_user_disconnect,
    }

"""The chat of the developer guide."""

from pegboard import App, get_app

app = get_app("ChatModule")
export = app.tb
Name = "ChatModule"


async def on_user_connect(app: App, conn_id: str, session: dict):
    username = session.get("user_name", "Anonymous")
    app.print(f"WS CONNECT: User '{username}' connected with conn_id: {conn_id}")
    await app.ws_send(conn_id, {"event": "welcome", "data": f"Welcome, {username}!"})
    await app.ws_broadcast(
        channel_id="ChatModule/public_room",
        payload={"event": "user_joined", "data": f"{username} has joined the chat."},
        source_conn_id=conn_id,
    )


async def on_chat_message(app: App, conn_id: str, session: dict, payload: dict):
    username = session.get("user_name", "Anonymous")
    message_text = payload.get("data", {}).get("message", "").strip()
    if not message_text:
        return
    app.print(f"WS MESSAGE from {username} ({conn_id}): {message_text}")
    await app.ws_broadcast(
        channel_id="ChatModule/public_room",
        payload={"event": "new_message", "data": {"user": username, "text": message_text}},
    )


async def on_user_disconnect(app: App, conn_id: str, session: dict):
    username = session.get("user_name", "Anonymous")
    app.print(f"WS DISCONNECT: User '{username}' disconnected (conn_id: {conn_id})")
    await app.ws_broadcast(
        channel_id="ChatModule/public_room",
        payload={"event": "user_left", "data": f"{username} has left the chat."},
    )


@export(mod_name=Name, websocket_handler="public_room")
def register_chat_handlers(app: App):
    """Name the functions for the three events."""
    return {
        "on_connect": on_user_connect,
        "on_message": on_chat_message,
        "on_disconnect": on_user_disconnect,
    }

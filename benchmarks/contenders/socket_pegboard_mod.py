"""The mod whose WebSocket handlers Pegboard serves in the benchmarks."""

from collections.abc import Awaitable, Callable
from typing import Any

from pegboard import App, Session, get_app

export = get_app("Bench").tb
Handlers = dict[str, Callable[[App, str, Session, Any], Awaitable[None]]]


@export(mod_name="Bench", websocket_handler="echo")
def echo(app: App) -> Handlers:
    """Send each message back to who sent it."""

    async def on_message(app: App, conn_id: str, session: Session, payload: Any) -> None:
        await app.ws_send(conn_id, payload)

    return {"on_message": on_message}


@export(mod_name="Bench", websocket_handler="room")
def room(app: App) -> Handlers:
    """Send each message to everyone in the room."""

    async def on_message(app: App, conn_id: str, session: Session, payload: Any) -> None:
        await app.ws_broadcast("Bench/room", payload)

    return {"on_message": on_message}

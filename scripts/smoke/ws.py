"""`pegboard-transport-ws` alone: a socket is opened, hears a broadcast and is closed, by hand."""

import json
from typing import Any

import anyio

from pegboard import App

app = App("smoke")


@app.export(mod_name="Smoke", websocket_handler="room")
def room(app: App) -> dict[str, Any]:
    async def on_message(app: App, conn_id: str, session: Any, payload: Any) -> None:
        await app.ws_broadcast("Smoke/room", {"heard": payload["text"]})

    return {"on_message": on_message}


async def main() -> None:
    scope = {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "scheme": "ws",
        "path": "/ws/Smoke/room",
        "raw_path": b"/ws/Smoke/room",
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"smoke")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
        "subprotocols": [],
        "extensions": {},
    }
    to_app, incoming = anyio.create_memory_object_stream[Any](10)
    outgoing, from_app = anyio.create_memory_object_stream[Any](10)
    async with to_app, incoming, outgoing, from_app, app, anyio.create_task_group() as group:
        group.start_soon(app.asgi(), scope, incoming.receive, outgoing.send)
        await to_app.send({"type": "websocket.connect"})
        assert (await from_app.receive())["type"] == "websocket.accept"
        await to_app.send({"type": "websocket.receive", "text": '{"text": "here"}'})
        heard = await from_app.receive()
        assert json.loads(heard["text"]) == {"heard": "here"}, heard
        await to_app.send({"type": "websocket.disconnect", "code": 1000})


anyio.run(main)

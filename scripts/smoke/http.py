"""`pegboard-transport-http` alone: the app answers a request written by hand, without a server."""

import json
from typing import Any

import anyio

from pegboard import App

app = App("smoke")


@app.export(mod_name="Smoke", api=True)
def add(a: int, b: int = 1) -> int:
    return a + b


async def ask(path: str, query: bytes = b"") -> tuple[int, bytes]:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query,
        "headers": [(b"host", b"smoke")],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    sent: list[Any] = []
    is_asked = False

    async def receive() -> Any:
        nonlocal is_asked
        if is_asked:
            await anyio.sleep_forever()
        is_asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app.asgi()(scope, receive, send)
    status: int = sent[0]["status"]
    return status, b"".join(message.get("body", b"") for message in sent[1:])


async def main() -> None:
    async with app:
        status, body = await ask("/api/Smoke/add", b"a=41")
        assert (status, json.loads(body)["result"]["data"]) == (200, 42), (status, body)
        assert (await ask("/api/Smoke/add", b"a=many"))[0] == 400
        assert (await ask("/api/Smoke/nothing"))[0] == 404
        status, body = await ask("/openapi.json")
        assert "/api/Smoke/add" in json.loads(body)["paths"], (status, body)


anyio.run(main)

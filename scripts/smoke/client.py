"""`pegboard-web-client` alone: its files are served."""

from typing import Any

import anyio

from pegboard import App
from pegboard_web_client import client_url


async def main() -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    async with App("smoke") as app:
        scope = {"type": "http", "method": "GET", "path": client_url(), "headers": []}
        await app.asgi()(scope, receive, send)
    assert sent[0]["status"] == 200, sent[0]
    assert b"export default TB" in sent[1]["body"]


anyio.run(main)

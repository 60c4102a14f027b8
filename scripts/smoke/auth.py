"""`pegboard-auth` alone: an account is made, signs in, is known by its cookie, and signs out."""

import json
from typing import Any

import anyio

from pegboard import App, Connection
from pegboard_auth import Accounts

app = App("smoke", config={"plugins": {"auth": {"argon2_memory": 1024, "argon2_time": 1}}})

WORDS = "a few words that are good"


def scope(method: str, path: str, *headers: tuple[bytes, bytes]) -> Any:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"smoke"), (b"content-type", b"application/json"), *headers],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }


async def ask(path: str, body: Any, *headers: tuple[bytes, bytes]) -> tuple[int, list[Any]]:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await app.asgi()(scope("POST", path, *headers), receive, send)
    return sent[0]["status"], sent[0]["headers"]


async def who(cookie: bytes) -> str:
    session = await app.access.session(Connection(scope("GET", "/", (b"cookie", cookie))))
    return session.user_name


async def main() -> None:
    async with app:
        await app.service(Accounts).add("ada", password=WORDS)
        assert (await ask("/auth/sign-in", {"name": "ada", "password": "wrong"}))[0] == 401
        status, headers = await ask("/auth/sign-in", {"name": "ada", "password": WORDS})
        assert status == 200, status
        cookie = next(value for name, value in headers if name == b"set-cookie").split(b";")[0]
        assert await who(cookie) == "ada"
        assert (await ask("/auth/sign-out", {}, (b"cookie", cookie)))[0] == 200
        assert await who(cookie) == "anonymous"


anyio.run(main)

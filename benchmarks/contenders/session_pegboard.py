"""Finding out who asks, as a transport does: `app.access.admit` for one request after the other."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.worker import Batch
from pegboard import App, Connection
from pegboard_auth import Accounts

HEADERS = [
    (b"host", b"127.0.0.1:5000"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
    (b"accept", b"application/json"),
    (b"accept-language", b"en-GB,en;q=0.5"),
    (b"accept-encoding", b"gzip, deflate, br"),
    (b"sec-fetch-dest", b"empty"),
    (b"sec-fetch-mode", b"cors"),
    (b"sec-fetch-site", b"same-origin"),
]
"""What a browser sends, without what tells who asks."""


@asynccontextmanager
async def open_asker(kind: str) -> AsyncIterator[Batch]:
    """Give the loop over requests that show a cookie, a bearer token, a key, or nothing.

    Args:
        kind: `cookie`, `bearer`, `key` or `nothing`.
    """
    with tempfile.TemporaryDirectory(prefix="pegboard-bench-") as project:
        async with App("bench", project=project, plugins=["auth"], mods=[]) as app:
            app.export("me", mod_name="Bench", api=True, level=int(kind != "nothing"))(lambda: 0)
            export = app.registry.table["Bench.me"].export
            assert export is not None
            headers = [*HEADERS, *(await _shown(app, kind))]
            scope = {"type": "http", "method": "GET", "path": "/api/Bench/me", "headers": headers}

            async def run(count: int) -> int:
                authorize, total = app.access.admit, 0
                for _ in range(count):
                    session = await authorize(export, Connection(scope))
                    total += 3 if session.anonymous == (kind == "nothing") else 0
                return total

            yield run


async def _shown(app: App, kind: str) -> list[tuple[bytes, bytes]]:
    accounts = app.service(Accounts)
    uid = (await accounts.add("ada")).uid
    if kind == "nothing":
        return []
    if kind == "key":
        return [(b"x-api-key", (await accounts.add_key(uid, title="bench")).encode())]
    if kind == "bearer":
        return [(b"authorization", f"Bearer {(await accounts.issue(uid)).access_token}".encode())]
    cookie = await accounts.begin(uid)
    return [(b"cookie", f"theme=dark; pegboard_session={cookie}; lang=en".encode())]

"""What bearer tokens cost elsewhere: PyJWT, with no look at whether the session was ended."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import jwt

from benchmarks.contenders.session_pegboard import HEADERS
from benchmarks.worker import Batch

SECRET = "x" * 32


@asynccontextmanager
async def open_call() -> AsyncIterator[Batch]:
    """Give the loop over requests."""
    claims = {"sub": "ada", "aud": "bench", "iat": time.time(), "exp": time.time() + 3600}
    token = jwt.encode(claims, SECRET, "HS256")
    headers = [*HEADERS, (b"authorization", f"Bearer {token}".encode())]

    async def run(count: int) -> int:
        total = 0
        for _ in range(count):
            shown = next(value for name, value in headers if name == b"authorization")
            said = jwt.decode(shown[7:], SECRET, ["HS256"], audience="bench")
            total += 3 if said["sub"] == "ada" else 0
        return total

    yield run

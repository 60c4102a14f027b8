"""What cookie sessions cost elsewhere: unsign and decode, with no look at whether it was ended."""

import json
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from itsdangerous import TimestampSigner

from benchmarks.contenders.session_pegboard import HEADERS
from benchmarks.worker import Batch

AGE = 1_209_600  # seconds


@asynccontextmanager
async def open_call() -> AsyncIterator[Batch]:
    """Give the loop over requests."""
    signer = TimestampSigner("x" * 32)
    cookie = signer.sign(b64encode(json.dumps({"user": "ada", "level": 1}).encode()))
    headers = [*HEADERS, (b"cookie", b"theme=dark; session=" + cookie + b"; lang=en")]

    async def run(count: int) -> int:
        total = 0
        for _ in range(count):
            jar = next(value for name, value in headers if name == b"cookie").decode("latin-1")
            cookies = dict(part.strip().split("=", 1) for part in jar.split(";"))
            data = signer.unsign(cookies["session"], max_age=AGE)
            total += 3 if json.loads(b64decode(data))["user"] == "ada" else 0
        return total

    yield run

"""Services in processes of their own, and stores on them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pegboard_database import Database
from pegboard_storage_cloud import CloudStore
from pegboard_storage_cloud._breaker import Breaker
from pegboard_storage_cloud._copies import COPIES, Copies
from pegboard_storage_cloud._outbox import OUTBOX, Outbox
from pegboard_storage_cloud._redis import RedisAccess, RedisRemote
from pegboard_storage_cloud._remote import Remote
from pegboard_storage_cloud._s3 import S3Access, S3Remote
from tests.servers.redis import RedisServer
from tests.servers.s3 import S3Server

TIMEOUT = 30.0
"""Seconds for one request: a service on a busy machine is slow, and not away."""


def s3_remote(
    server: S3Server, prefix: str, *, port: int = 0, shared: bool = True, timeout: float = TIMEOUT
) -> S3Remote:
    endpoint = f"http://127.0.0.1:{port or server.port}"
    options = {
        "endpoint": endpoint,
        "region": "us-east-1",
        "access_key_id": server.access_key_id,
        "secret_access_key": server.secret_access_key,
    }
    access = S3Access(bucket=server.bucket, options=options)
    return S3Remote(access, prefix=prefix, shared=shared, timeout=timeout)


def redis_remote(
    server: RedisServer, prefix: str, *, port: int = 0, timeout: float = TIMEOUT
) -> RedisRemote:
    url = server.url.replace(str(server.port), str(port or server.port))
    access = RedisAccess(url=url)
    return RedisRemote(access, prefix=prefix, durable=False, timeout=timeout, connections=8)


def store_on(
    remote: Remote, folder: Path, *, pause: float = 0.05, outbox_bytes: int = 10**8
) -> CloudStore:
    """Return a store with outbox and copies; stores with one folder share these."""
    return CloudStore(
        remote,
        breaker=Breaker(pause, 4 * pause),
        outbox=Outbox(Database(folder / "outbox.sqlite", OUTBOX), "test", limit=outbox_bytes),
        copies=Copies(Database(folder / "copies.sqlite", COPIES), "test", limit=10**7),
        timeout=TIMEOUT,
        max_size=2_000_000,
    )


def damage(remote: Remote, path: str) -> None:
    """Change what a service keeps of a file, behind its back."""
    if isinstance(remote, S3Remote):
        remote._put(path, b"[2]" + b"x" * 400, "overwrite")
    else:
        assert isinstance(remote, RedisRemote)
        remote._client.hset(remote._files + path, mapping={"v": "f" * 32, "d": b"[2]"})


@pytest.fixture(params=["s3", "redis"])
def open_remote(request: pytest.FixtureRequest, prefix: str) -> Callable[..., Remote]:
    """Open a service anew; with `port` through a proxy."""
    server = request.getfixturevalue(f"{request.param}_server")
    connect = s3_remote if request.param == "s3" else redis_remote
    return lambda **options: connect(server, prefix, **options)


def away_store(folder: Path, port: int) -> CloudStore:
    """Return a store on a Redis server that need not be there."""
    access = RedisAccess(url=f"redis://127.0.0.1:{port}")
    remote = RedisRemote(access, prefix="p", durable=False, timeout=2.0, connections=2)
    return store_on(remote, folder)

"""What every test may use."""

import sys
from collections.abc import Iterator
from itertools import count

import pytest

from tests.backend import BACKENDS, Backend
from tests.servers.postgres import PostgresServer, running_postgres
from tests.servers.redis import RedisServer
from tests.servers.s3 import S3Server

_prefixes = count()


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """The loop of a test marked with `pytest.mark.anyio`: each such test runs on both."""
    return request.param


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each backend that files can be kept in, one after the other."""
    return request.getfixturevalue(f"{request.param}_backend")


@pytest.fixture
def local_backend() -> Backend:
    """Files of this machine."""
    return Backend(name="local", mode="LC", plugins=("storage_local",))


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """An S3 service for all tests, which write below a prefix each."""
    with S3Server() as server:
        yield server


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis server for all tests, which write below a prefix each."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server for all tests, which have a schema each."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def prefix() -> str:
    """A part of the services that no other test writes to."""
    return f"test{next(_prefixes)}"


@pytest.fixture
def s3_backend(s3_server: S3Server, prefix: str) -> Backend:
    """Objects of an S3 service."""
    settings = {
        "prefix": prefix,
        "s3_bucket": s3_server.bucket,
        "s3_endpoint": s3_server.endpoint,
        "s3_access_key_id": s3_server.access_key_id,
        "s3_secret_access_key": s3_server.secret_access_key,
    }
    return _cloud_backend("s3", "CB", settings)


@pytest.fixture
def redis_backend(redis_server: RedisServer, prefix: str) -> Backend:
    """Keys of a Redis server."""
    return _cloud_backend("redis", "RR", {"prefix": prefix, "redis_url": redis_server.url})


def _cloud_backend(name: str, mode: str, settings: dict[str, str]) -> Backend:
    # a service on a busy machine is slow, and not away
    config = {"plugins": {"storage_cloud": {**settings, "timeout": 30}}}
    return Backend(name=name, mode=mode, plugins=("storage_cloud",), config=config)


@pytest.fixture
def modules_restored() -> Iterator[None]:
    """Let later tests see the modules that they have imported, and not those of a reload."""
    before = {name: each for name, each in sys.modules.items() if name.startswith("pegboard_")}
    yield
    for name in [each for each in sys.modules if each.startswith("pegboard_")]:
        del sys.modules[name]
    sys.modules.update(before)
    for name, module in before.items():
        parent, _, child = name.rpartition(".")
        if parent in before:
            setattr(before[parent], child, module)

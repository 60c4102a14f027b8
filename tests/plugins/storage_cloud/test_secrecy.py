"""What a scope encrypts is encrypted wherever this plugin keeps it."""

import pytest
import redis
from anyio import to_thread

from pegboard import RequestData, Session, entered
from pegboard._request import Request
from pegboard.contracts.storage import KeyRange
from pegboard_storage import FileHandlerV2
from pegboard_storage_cloud._services import Services
from tests.servers.redis import RedisServer

SECRET = "the moon is made of cheese"


@pytest.fixture(params=["s3", "redis"])
def cloud(request: pytest.FixtureRequest):
    return request.getfixturevalue(f"{request.param}_backend")


@pytest.mark.anyio
async def test_no_plaintext_is_in_the_service_and_none_in_the_copies(
    pegboard_app, cloud, prefix, redis_server: RedisServer
) -> None:
    session = Session(user_id="alice", level=1, validated=True, anonymous=False)
    plugins = ["storage", "storage_local", "storage_cloud"]
    async with pegboard_app(plugins=plugins, config=cloud.settings) as app:
        for name in ("private.data", "shared.data"):
            with entered(app, RequestData(Request(), session)):
                await FileHandlerV2(name, name="Diary").update(text=SECRET).asave()
        kept = await to_thread.run_sync(everything, app, cloud.name, prefix, redis_server)
        copies = b"".join(each.read_bytes() for each in sorted(app.data.rglob("copies.sqlite*")))
    assert kept.count(SECRET.encode()) == 1  # in the scope that everyone may read
    assert 1 <= copies.count(SECRET.encode()) <= 2  # that one, in the log and in the file


def everything(app, backend: str, prefix: str, server: RedisServer) -> bytes:
    """Return all that the service keeps below a prefix."""
    remote = app.service(Services).store(backend)._remote
    paths = remote.list(KeyRange().path, after="", limit=100).paths
    assert len(paths) == 2
    if backend == "s3":
        return b"".join(remote._call(remote._get, path)[0] for path in paths)
    client = redis.Redis.from_url(server.url)
    found = [client.hgetall(f"{{{prefix}}}:file:{path}") for path in paths]
    client.close()
    return b"".join(b"".join(each.values()) for each in found)

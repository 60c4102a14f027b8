"""What a service has to be so that files are entrusted to it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from pegboard.contracts.storage import FileKey
from pegboard.errors import ConfigError, CorruptError
from pegboard_storage_cloud._identity import Writer
from pegboard_storage_cloud._lineage import successor
from pegboard_storage_cloud._redis import RedisAccess, RedisRemote
from pegboard_storage_cloud._remote import Remote, Write
from pegboard_storage_cloud._s3 import S3Access, S3Remote
from tests.plugins.storage_cloud.conftest import damage, s3_remote, store_on
from tests.servers.redis import RedisServer
from tests.servers.s3 import S3Server

KEY = FileKey(scope="mod_data", owner="", mod="notes", name="today.data")


@pytest.fixture(scope="module")
def careless_server() -> S3Server:
    with S3Server(honours_conditions=False) as server:
        yield server


def test_a_service_that_ignores_conditions_is_refused_for_several_writers(
    careless_server: S3Server, prefix: str, tmp_path: Path
) -> None:
    store = store_on(s3_remote(careless_server, prefix), tmp_path)
    for _ in range(2):  # it does not become better by asking again
        with pytest.raises(ConfigError, match=r"ignores conditions.*shared = false"):
            store.write(KEY, b"[1]")
        with pytest.raises(ConfigError, match="ignores conditions"):
            store.read(KEY)
    assert store.statistics().waiting == 0


def test_a_probe_is_no_file(s3_server: S3Server, prefix: str) -> None:
    remote = s3_remote(s3_server, prefix)
    for _ in range(2):
        remote.connect()
        assert remote.list("", after="", limit=10).paths == []


def test_every_service_remembers_the_same_writes(open_remote: Callable[..., Remote]) -> None:
    remote = open_remote()
    remote.connect()
    busy = [Writer() for _ in range(3)]
    state = None
    for number in range(60):
        writer = busy[number % 3] if number % 2 else Writer()
        write = Write(version=writer.new_version(), data=b"[%d]" % number, expected=None)
        state = successor("p", state, write).frame
        assert remote.apply("p", write).frame.ancestors == state.ancestors
    assert remote.load("p") == state


def test_a_repeated_write_is_answered_with_what_others_have_made_of_it(
    open_remote: Callable[..., Remote],
) -> None:
    remote = open_remote()
    remote.connect()
    ours = Write(version=Writer().new_version(), data=b"ours", expected=None)
    theirs = Write(version=Writer().new_version(), data=b"theirs", expected=ours.version)
    remote.apply("p", ours)
    present = remote.apply("p", theirs).frame
    assert remote.apply("p", ours).frame == present
    removal = Write(version=Writer().new_version(), data=None, expected=theirs.version)
    remote.apply("p", removal)
    assert remote.apply("p", ours).frame.data is None


def test_a_bucket_that_is_not_there_is_named(s3_server: S3Server, tmp_path: Path) -> None:
    options = {"endpoint": s3_server.endpoint, "access_key_id": "a", "secret_access_key": "b"}
    access = S3Access(bucket="nowhere", options=options)
    store = store_on(S3Remote(access, prefix="p", shared=True, timeout=30.0), tmp_path)
    with pytest.raises(ConfigError, match="there is no bucket nowhere"):
        store.write(KEY, b"[1]")
    with pytest.raises(ConfigError, match="there is no bucket nowhere"):
        store.read(KEY)


def test_a_wrong_password_is_no_outage(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis", password="right") as server:
        for url, works in ((server.url, True), (server.url.replace("right", "wrong"), False)):
            access = RedisAccess(url=url)
            remote = RedisRemote(access, prefix="p", durable=False, timeout=30.0, connections=2)
            store = store_on(remote, tmp_path / "here")
            if works:
                assert not store.write(KEY, b"[1]").pending
                continue
            with pytest.raises(ConfigError, match="refuses the credentials") as caught:
                store.write(KEY, b"[2]")
            assert "wrong" not in str(caught.value)
            assert store.statistics().waiting == 0


def test_an_address_that_is_none_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match="redis_url"):
        RedisRemote(
            RedisAccess(url="http://h"), prefix="p", durable=False, timeout=1.0, connections=1
        )


def test_a_server_that_throws_files_away_is_refused(tmp_path: Path) -> None:
    with RedisServer(tmp_path / "redis") as server:
        client = redis.Redis.from_url(server.url)
        client.config_set("maxmemory", 50_000_000)
        client.config_set("maxmemory-policy", "allkeys-lru")
        client.close()
        access = RedisAccess(url=server.url)
        remote = RedisRemote(access, prefix="p", durable=False, timeout=30.0, connections=2)
        with pytest.raises(ConfigError, match="allkeys-lru"):
            store_on(remote, tmp_path / "here").write(KEY, b"[1]")


def test_damaged_content_is_an_error_and_no_empty_file(
    open_remote: Callable[[], Remote], tmp_path: Path
) -> None:
    remote = open_remote()
    store = store_on(remote, tmp_path)
    store.write(KEY, b"[1]")
    damage(remote, KEY.path)
    with pytest.raises(CorruptError, match="damaged"):
        store.read(KEY)

"""The plugin in an app: stores by backend, the outbox sent in the background, the command."""

import json
from pathlib import Path

import anyio
import pytest
from anyio import to_thread
from click.testing import CliRunner

from pegboard import App
from pegboard._cli.root import root
from pegboard.contracts.storage import FileKey
from pegboard.errors import ConfigError
from pegboard_storage_cloud import CloudStore
from tests.backend import Backend
from tests.servers.proxy import Proxy
from tests.servers.s3 import S3Server

KEY = FileKey(scope="mod_data", owner="", mod="notes", name="today.data")


def store_of(app, backend: str) -> CloudStore:
    return app.hooks.first("persist_file", app=app, file=KEY, backend=backend)


def brief_app(project: Path, config) -> App:
    """An app as `pegboard doctor` makes one."""
    return App(project=project, plugins=["storage_cloud"], mods=[], config=config, brief=True)


@pytest.fixture(params=["s3", "redis"])
def cloud(request: pytest.FixtureRequest) -> Backend:
    return request.getfixturevalue(f"{request.param}_backend")


@pytest.mark.anyio
async def test_a_backend_is_a_service_and_cloud_is_the_only_one(pegboard_app, cloud) -> None:
    async with pegboard_app(plugins=["storage_cloud"], config=cloud.config) as app:
        store = store_of(app, "cloud")
        assert store is store_of(app, cloud.name)
        assert store.capabilities.backend == cloud.name
        assert store_of(app, "local") is None
        other = "redis" if cloud.name == "s3" else "s3"
        with pytest.raises(ConfigError, match=f'backend "{other}" needs'):
            store_of(app, other)
        written = await to_thread.run_sync(store.write, KEY, b"[1]")
        assert not written.pending
        (check,) = app.plugins.hooks.first("health", app=app)
        assert (check.name, check.ok) == (cloud.name, True)


@pytest.mark.anyio
async def test_a_mistake_in_one_service_is_told_to_who_asks_for_it(pegboard_app, redis_backend):
    settings = {**redis_backend.config["plugins"]["storage_cloud"], "s3_bucket": "b"}
    config = {"plugins": {"storage_cloud": {**settings, "s3_access_key_id": "half"}}}
    async with pegboard_app(plugins=["storage_cloud"], config=config) as app:
        assert await to_thread.run_sync(store_of(app, "redis").read, KEY) is None
        with pytest.raises(ConfigError, match="both a key id and a secret key"):
            store_of(app, "s3")
        checks = {each.name: each for each in app.plugins.hooks.first("health", app=app)}
        assert checks["redis"].ok
        assert not checks["s3"].ok


@pytest.fixture
def away(s3_backend: Backend, s3_server: S3Server):
    """An S3 service behind a proxy that is cut, as settings."""
    with Proxy(s3_server.port) as proxy:
        proxy.cut()
        settings = {
            **s3_backend.config["plugins"]["storage_cloud"],
            "s3_endpoint": f"http://127.0.0.1:{proxy.port}",
            "retry_pause": 0.05,
            "retry_pause_max": 0.1,
        }
        yield proxy, {"plugins": {"storage_cloud": settings}}


@pytest.mark.anyio
async def test_an_app_for_one_command_asks_whether_its_service_is_there(tmp_path, away) -> None:
    proxy, config = away
    async with brief_app(tmp_path, config) as app:
        (check,) = app.plugins.hooks.first("health", app=app)
        assert (check.name, check.ok) == ("s3", False)
        assert "not known to be away" not in check.detail
    proxy.mend()
    async with brief_app(tmp_path, config) as app:
        (check,) = app.plugins.hooks.first("health", app=app)
        assert check.ok, check.detail


@pytest.mark.anyio
async def test_a_bucket_that_is_not_there_is_told_to_who_asks(tmp_path, s3_backend) -> None:
    settings = {**s3_backend.config["plugins"]["storage_cloud"], "s3_bucket": "no-such-bucket"}
    config = {"plugins": {"storage_cloud": settings}}
    async with brief_app(tmp_path, config) as app:
        (check,) = app.plugins.hooks.first("health", app=app)
        assert not check.ok
        assert "no-such-bucket" in check.detail


@pytest.mark.anyio
async def test_what_waits_is_sent_by_itself(pegboard_app, away) -> None:
    proxy, config = away
    async with pegboard_app(plugins=["storage_cloud"], config=config) as app:
        store = store_of(app, "s3")
        assert (await to_thread.run_sync(store.write, KEY, b"[1]")).pending
        (check,) = app.plugins.hooks.first("health", app=app)
        assert not check.ok or "1 writes wait" in check.detail
        assert "1 writes wait in the outbox" in check.detail
        proxy.mend()
        with anyio.fail_after(20):
            while (await to_thread.run_sync(store.statistics)).waiting:
                await anyio.lowlevel.checkpoint()
        entry = await to_thread.run_sync(store.read, KEY)
        assert (entry.data, entry.stale_since) == (b"[1]", None)


def run(project: Path, *arguments: str):
    command, *rest = arguments
    return CliRunner().invoke(root, ["outbox", command, "--project", str(project), *rest])


def write_while_away(project: Path, config: dict, *contents: bytes) -> None:
    (project / "pegboard.toml").write_text(
        "[plugins.storage_cloud]\n"
        + "".join(
            f"{name} = {json.dumps(value)}\n"
            for name, value in config["plugins"]["storage_cloud"].items()
        )
    )

    async def write(app_config: dict) -> None:
        from pegboard import App

        plugins = ["storage_cloud"]
        async with App("away", project=project, plugins=plugins, mods=[], config=app_config) as app:
            for data in contents:
                await to_thread.run_sync(store_of(app, "s3").write, KEY, data)

    anyio.run(write, config)


def test_the_command_shows_what_waits_and_sends_it(away, tmp_path: Path) -> None:
    proxy, config = away
    assert run(tmp_path, "list").output.count("\n") == 1
    write_while_away(tmp_path, config, b"[1]", b"[22]")
    shown = json.loads(run(tmp_path, "list", "--json").output)["writes"]
    assert [(each["state"], each["size"]) for each in shown][-1] == ("waiting", 4)
    assert "'today.data' of mod 'notes'" in run(tmp_path, "list").output
    done = run(tmp_path, "send")
    assert done.exit_code == 1
    assert "s3: away, what waits for it stays" in done.stdout
    target = tmp_path / "content"
    assert run(tmp_path, "export", str(shown[-1]["number"]), str(target)).exit_code == 0
    assert target.read_bytes() == b"[22]"
    assert "exists" in run(tmp_path, "export", str(shown[-1]["number"]), str(target)).output
    proxy.mend()
    assert run(tmp_path, "send").exit_code == 0
    assert json.loads(run(tmp_path, "list", "--json").output) == {"writes": []}


def test_the_command_decides_conflicts(away, tmp_path: Path, s3_backend: Backend) -> None:
    proxy, config = away
    there, here = tmp_path / "there", tmp_path / "here"
    there.mkdir()
    here.mkdir()
    write_while_away(here, config, b"[mine]")
    write_while_away(there, s3_backend.config, b"[theirs]")
    assert run(here, "keep", "1", "mine").exit_code == 1  # it is no conflict yet
    proxy.mend()
    assert run(here, "send").exit_code == 0
    (item,) = json.loads(run(here, "list", "--json").output)["writes"]
    assert item["state"] == "conflict"
    assert run(here, "keep", str(item["number"]), "mine").exit_code == 0
    assert run(here, "send").exit_code == 0
    assert json.loads(run(here, "list", "--json").output) == {"writes": []}
    assert "nothing of number 99" in run(here, "keep", "99", "theirs").output


def test_a_missing_library_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from pegboard_storage_cloud._access import open_remote
    from pegboard_storage_cloud.config import StorageCloudConfig

    for name, library in (("s3", "obstore"), ("redis", "redis")):
        monkeypatch.delitem(sys.modules, f"pegboard_storage_cloud._{name}", raising=False)
        monkeypatch.setitem(sys.modules, library, None)
        config = StorageCloudConfig(s3_bucket="b", redis_url="redis://h")
        with pytest.raises(ConfigError, match=rf"pip install 'pegboard-storage-cloud\[{name}\]'"):
            open_remote(name, config, {}, Path("/nowhere"))

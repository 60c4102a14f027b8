"""What a scope encrypts is encrypted wherever it is kept, also while the service is away."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from anyio import to_thread

from pegboard import App, RequestData, Session, entered
from pegboard._request import Request
from pegboard_storage import FileHandlerV2
from pegboard_storage_cloud import CloudStore
from pegboard_storage_cloud._services import Services
from tests.backend import Backend
from tests.servers.proxy import Proxy

SECRET, PUBLIC = "the moon is made of cheese", "the earth is round"
SEALED = [
    {"filename": "private.diary.data"},
    {"filename": "settings.config"},
    {"filename": "tokens.data", "encrypt": True},
    {"filename": "public.draft.data", "encrypt": True},
]
STEPS = ("before", "during", "later")
ALICE = Session(user_id="alice", level=1, validated=True, anonymous=False)


@pytest.fixture(params=["s3", "redis"])
def cloud(request: pytest.FixtureRequest) -> Backend:
    return request.getfixturevalue(f"{request.param}_backend")


@pytest.fixture
def proxy(request: pytest.FixtureRequest, cloud: Backend) -> Iterator[Proxy]:
    """What the service is reached through, which remembers all that passes."""
    with Proxy(request.getfixturevalue(f"{cloud.name}_server").port, keeps=True) as proxy:
        yield proxy


@pytest.mark.anyio
async def test_no_plaintext_is_in_any_file_nor_sent_to_the_service(
    pegboard_app, cloud: Backend, proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    async with pegboard_app(
        plugins=["storage", "storage_local", "storage_cloud"], config=through(proxy, cloud)
    ) as app:
        store = app.service(Services).store(cloud.name)
        with entered(app, RequestData(Request(), ALICE)):
            sealed = [FileHandlerV2(name="Diary", **each) for each in SEALED]
            public = FileHandlerV2("shared.data", name="Diary")
        for step in STEPS:
            if step == "during":
                proxy.cut()
            with entered(app, RequestData(Request(), ALICE)):
                for each in sealed:
                    await each.update({SECRET: step}).asave()
                await public.update({PUBLIC: step}).asave()
            assert (store.statistics().waiting >= len(STEPS)) is (step != "before")
            assert secrets_in(files_of(app)) == []
        assert sum(PUBLIC in text for text in files_of(app).values()) >= 2  # the outbox, the copies
        proxy.mend()
        await to_thread.run_sync(until_sent, store)
        with entered(app, RequestData(Request(), ALICE)):
            for each in sealed:
                assert (await each.aload())[SECRET] == "later"
        kept = files_of(app)
    sent = {"sent": proxy.seen.decode("latin-1")}
    assert secrets_in({**kept, **sent, "log": caplog.text}) == []
    assert sent["sent"].count(PUBLIC) >= 2  # it would have been found


def through(proxy: Proxy, cloud: Backend) -> dict[str, object]:
    """Return the settings of a service that is reached through a proxy."""
    address = f"127.0.0.1:{proxy.port}"
    where = {"s3_endpoint": f"http://{address}", "redis_url": f"redis://{address}/0"}
    name = "s3_endpoint" if cloud.name == "s3" else "redis_url"
    pauses = {"retry_pause": 0.05, "retry_pause_max": 0.1}
    cloudy = {**cloud.settings["plugins"]["storage_cloud"], name: where[name], **pauses}
    return {"plugins": {**cloud.settings["plugins"], "storage_cloud": cloudy}}


def until_sent(store: CloudStore) -> None:
    while store.statistics().waiting:
        store.send_waiting()


def files_of(app: App) -> dict[str, str]:
    """Return the content of each file of the app: also earlier and temporary ones, databases."""
    files = [each for each in Path(app.data).rglob("*") if each.is_file()]
    return {str(each): each.read_bytes().decode("latin-1") for each in files}


def secrets_in(texts: dict[str, str]) -> list[str]:
    return [name for name, text in texts.items() if SECRET in text or "moon" in text]

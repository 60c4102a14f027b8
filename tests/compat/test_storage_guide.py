"""The examples of FileHandlerV2 in document 000, on each backend, in process and over HTTP."""

import pytest

from pegboard import RequestData, Session, entered
from pegboard._request import Request
from pegboard.testing import HttpClient
from pegboard_storage import FileHandlerV2, UserContext, get_current_context

pytestmark = pytest.mark.anyio

ALICE, BOB, ADMIN = {"x-user": "alice"}, {"x-user": "bob"}, {"x-user": "root", "x-level": "10"}


def request_of(user, level=1):
    session = Session(user_id=user, user_name=user, level=level, validated=True, anonymous=False)
    return RequestData(Request(), session)


@pytest.fixture
def guide(documented, backend):
    """Return a factory of apps that serve the examples, their files kept in the backend."""
    plugins = list(dict.fromkeys(["storage", "storage_local", *backend.plugins]))
    return lambda: documented("storage_guide", plugins=plugins, config=backend.settings)


async def test_example_1_settings_stay(guide):
    async with guide() as app:
        client = HttpClient(app)
        answer = await client.post("/api/MyModule/set_setting", json={"key": "lang", "value": "de"})
        assert answer.result().get() == {"status": "ok"}
        answer = await client.get("/api/MyModule/get_setting", query={"key": "lang"})
        assert answer.result().get() == "de"
    async with guide() as app:
        assert (await app.call("MyModule.get_setting", "lang")).get() == "de"
        assert (await app.call("MyModule.get_setting", "none", default=7)).get() == 7


async def test_example_2_users_have_files_of_their_own(guide):
    async with guide() as app:
        client = HttpClient(app)
        address = "/api/MyModule/save_user_preferences"
        for user, theme in ((ALICE, "dark"), (BOB, "light")):
            answer = await client.post(address, json={"preferences": {"t": theme}}, headers=user)
            assert answer.result().get() == {"status": "saved", "scope": "user_private"}
        for user, theme in ((ALICE, "dark"), (BOB, "light")):
            answer = await client.get("/api/MyModule/get_user_preferences", headers=user)
            assert answer.result().get() == {"preferences": {"t": theme}}
        assert (await client.get("/api/MyModule/get_user_preferences")).status == 401


async def test_example_2_a_profile_can_be_read_by_others(guide):
    async with guide() as app:
        client = HttpClient(app)
        answer = await client.post(
            "/api/MyModule/share_profile", json={"profile": {"name": "Al"}}, headers=ALICE
        )
        assert answer.result().get() == {"status": "shared", "scope": "user_public"}
        with entered(app, request_of("bob")):
            shared = FileHandlerV2("public.data", name="MyModule", owner="alice")
            assert await shared.aget("name") == "Al"


async def test_example_3_announcements_are_for_all_and_by_administrators(guide):
    async with guide() as app:
        client = HttpClient(app)
        assert (await client.get("/api/MyModule/get_announcements")).result().get() == []
        news = {"title": "t", "message": "m"}
        address = "/api/MyModule/set_announcement"
        assert (await client.post(address, json=news, headers=BOB)).status == 403
        answer = await client.post(address, json=news, headers=ADMIN)
        assert answer.result().get() == {"status": "announced"}
        (found,) = (await client.get("/api/MyModule/get_announcements")).result().get()
        assert (found["title"], found["message"]) == ("t", "m")


async def test_example_4_a_backend_can_be_chosen(guide):
    async with guide() as app:
        local, cloud, auto = (await app.call("MyModule.choose_backends")).get()
        assert (local.backend, cloud.backend, auto.backend) == ("local", "cloud", "auto")
        assert cloud.scope.value == "user_private"
        assert cloud.is_encrypted
        with entered(app):
            await local.aset("a", 1)
            await local.asave()
            auto.set("b", 2)
            await auto.asave()
            assert await FileHandlerV2("auto.data", name="MyModule").aget("b") == 2


async def test_example_5_with_saves_unless_something_is_raised(guide):
    async with guide() as app:
        await app.call("MyModule.use_with")
        with entered(app):
            settings = await FileHandlerV2("settings.config", name="MyModule").aload()
            assert settings.to_dict() == {"theme": "dark", "language": "de"}
            written = await FileHandlerV2("async.data", name="MyModule").aload()
            assert written.to_dict() == {"key": "value"}
            assert (await FileHandlerV2("risky.data", name="MyModule").aload()).to_dict() == {}


async def test_example_6_the_context_of_a_call_is_its_own(guide):
    async with guide() as app:
        client = HttpClient(app)
        for user in (ALICE, BOB):
            answer = await client.get("/api/MyModule/my_api_function", headers=user)
            assert answer.result().get() == user["x-user"]
        answer = await client.get("/api/MyModule/my_api_function")
        assert answer.result().get() == ""
        assert get_current_context() == UserContext.anonymous()


async def test_example_7_the_names_of_before_do_the_same(guide):
    async with guide() as app:
        result = await app.call("MyModule.migrate")
        assert result.get() == [None, "value", "other"]


async def test_the_table_of_scopes(guide):
    async with guide() as app:
        assert (await app.call("MyModule.scopes_of_names")).get() == {
            "a.config": "config",
            "private.data": "user_private",
            "public.data": "user_public",
            "global.data": "public_read",
            "shared.data": "public_rw",
            "server.data": "server",
            "plain.data": "mod_data",
        }

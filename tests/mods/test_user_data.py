"""Data of users: own files, what mods keep for them, permissions between mods, and the notes."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from anyio import fail_after, lowlevel

from pegboard import RequestData, Session, entered
from pegboard._request import Request
from pegboard.errors import InputError
from pegboard_mods import user_data
from pegboard_mods._user_policy import Grant, allowed, expiry, scope_named
from tests.plugins.auth.conftest import CHEAP, make, signed_in
from tests.servers.proxy import Proxy

pytestmark = pytest.mark.anyio


def request_of(user: str, level: int = 1) -> RequestData:
    is_user = bool(user)
    session = Session(user_id=user, level=level * is_user, validated=is_user, anonymous=not is_user)
    return RequestData(Request(), session)


ALICE, BOB, NOBODY = map(request_of, ("alice", "bob", ""))
ADMIN = request_of("root", 10)


@pytest.fixture
def call(pegboard_app):
    """Return a context of an app with the mod, whose value calls one of its exports."""

    @asynccontextmanager
    async def opened():
        async with pegboard_app(plugins=["storage", "storage_local"], mods=[user_data]) as app:

            async def call(name, request, *args, **kwargs):
                with entered(app, request):
                    return await app.call(f"user_data.{name}", *args, **kwargs)

            yield call

    return opened


async def test_a_client_says_the_path_in_the_query_or_in_the_body(pegboard_app):
    plugins = ["auth", "transport_http", "storage", "storage_local"]
    config = {"plugins": {"auth": CHEAP}}
    async with pegboard_app(plugins=plugins, mods=[user_data], config=config) as app:
        await make(app, "ada")
        client = await signed_in(app, "ada")
        await client.post("/api/user_data/set_data", query={"path": "a"}, json={"path": "x"})
        sent = {"path": "b", "data": [1], "scope": "public"}
        assert (await client.post("/api/user_data/set_data", json=sent)).status == 200
        for said, found in (
            ({"path": "a"}, {"path": "x"}),
            ({"path": "b", "scope": "public"}, [1]),
        ):
            answer = await client.post("/api/user_data/get_data", json=said)
            assert answer.result().get() == found
        for body in ({"data": 1}, {"path": "c", "data": 1, "owner": "x"}, [1]):
            answer = await client.post("/api/user_data/set_data", json=body)
            assert answer.status == 400
            assert "path= in the query" in answer.result().info.help_text


async def test_a_user_keeps_files_that_nobody_else_sees(call):
    async with call() as ask:
        said = (await ask("set_data", ALICE, path="notes/today", data=[1, {"a": None}])).get()
        assert said["path"] == "notes/today"
        assert said["encrypted"]
        assert (await ask("get_data", ALICE, path="notes/today")).get() == [1, {"a": None}]
        assert (await ask("list_data", ALICE, prefix="notes/")).get() == ["notes/today"]
        assert (await ask("get_data", BOB, path="notes/today")).info.exec_code == 404
        for request, code in ((BOB, 403), (NOBODY, 401)):
            for name in ("get_data", "delete_data", "list_data"):
                path = {} if name == "list_data" else {"path": "notes/today"}
                result = await ask(name, request, owner_id="alice", **path)
                assert result.info.exec_code == code, name
        assert (await ask("get_data", ADMIN, path="notes/today", owner_id="alice")).is_ok()
        assert (await ask("delete_data", ALICE, path="notes/today")).get() is True
        assert (await ask("list_data", ALICE)).get() == []


@pytest.mark.parametrize(
    ("scope", "others_read", "others_write", "nobody_reads"),
    [
        ("private", 403, 403, 401),
        ("shared", 0, 403, 0),
        ("public", 0, 0, 0),
        ("mod", 0, 403, 401),
        ("server", 403, 403, 401),
    ],
)
async def test_who_may_do_what(call, scope, others_read, others_write, nobody_reads):
    of_alice = {"owner_id": "alice"} if scope in {"private", "shared", "mod"} else {}
    writer = ADMIN if scope == "server" else ALICE
    at = {"path": "a", "scope": scope, "mod_name": "m", **of_alice}
    async with call() as ask:
        assert (await ask("set_data", writer, data=1, **at)).is_ok()
        assert (await ask("get_data", BOB, **at)).info.exec_code == others_read
        assert (await ask("get_data", NOBODY, **at)).info.exec_code == nobody_reads
        assert (await ask("set_data", BOB, data=2, **at)).info.exec_code == others_write
        assert (await ask("set_data", NOBODY, data=3, **at)).info.exec_code == 401
        assert (await ask("set_data", ALICE, data=1, path="a", scope="mine")).is_error()


async def test_a_mod_sees_what_another_keeps_only_with_the_users_permission(call):
    async with call() as ask:
        kept = {"theme": "dark", "address.street": "Elm"}
        await ask("set_mod_data", ALICE, "shop", kept)
        assert (await ask("get_mod_data", ALICE, "shop")).get() == kept
        refused = await ask("get_mod_data", ALICE, "ads", "shop", "theme")
        assert refused.info.exec_code == 403
        assert (await ask("get_mod_data", ALICE, "ads", "shop")).get() == {}

        await ask("request_permission", ALICE, "ads", "shop", keys=["theme"])
        assert (await ask("get_mod_data", ALICE, "ads", "shop", "theme")).is_error()
        await ask("grant_permission", ALICE, "ads", "shop", keys=["theme"], expires_hours=1)
        await ask("request_permission", ALICE, "ads", "shop", keys=["other"])
        assert (await ask("get_mod_data", ALICE, "ads", "shop", "theme")).get() == "dark"
        assert (await ask("get_mod_data", ALICE, "ads", "shop")).get() == {"theme": "dark"}
        assert (await ask("set_mod_data", ALICE, "ads", "x", "shop", "theme")).is_error()
        assert (await ask("get_mod_data", BOB, "ads", "shop", "theme")).is_error()

        await ask("grant_permission", ALICE, "ads", "shop", "full", keys=["address.*"])
        assert (await ask("set_mod_data", ALICE, "ads", "Oak", "shop", "address.street")).is_ok()
        assert len((await ask("list_permissions", ALICE)).get()) == 3
        assert (await ask("revoke_permission", ALICE, "ads", "shop")).get() == 3
        assert (await ask("get_mod_data", ALICE, "ads", "shop", "theme")).is_error()
        assert (await ask("get_mod_data", ALICE, "shop", key="address.street")).get() == "Oak"

        log = (await ask("get_access_log", ALICE, limit=3)).get()
        assert [each["allowed"] for each in log] == [False, True, False]
        assert log[0]["source_mod"] == "ads"
        assert (await ask("get_access_log", BOB)).get()[0]["allowed"] is False


async def test_no_client_gets_at_what_mods_keep_or_says_that_it_is_a_mod(call, pegboard_app):
    async with call() as ask:
        await ask("set_mod_data", ALICE, "shop", {"secret": 1})
        for path in ("private.of-shop", "kept", "private.permissions"):
            assert (await ask("get_data", ALICE, path=path)).info.exec_code == 404
        assert (await ask("list_data", ALICE)).get() == []
    exports = {name for name in vars(user_data) if name.endswith("_mod_data")}
    async with pegboard_app(plugins=["storage", "storage_local"], mods=[user_data]) as app:
        for name in (*exports, "request_permission"):
            assert not app.registry.table[f"user_data.{name}"].export.options.api


async def test_the_notes_of_accesses_have_a_bound(call, monkeypatch):
    monkeypatch.setattr(user_data, "LOG_LENGTH", 3)
    async with call() as ask:
        for _ in range(5):
            await ask("get_mod_data", ALICE, "ads", "shop")
        assert len((await ask("get_access_log", ALICE)).get()) == 3


async def test_a_permission_ends_when_it_says():
    now = datetime.now(UTC)
    ended = Grant(source="a", target="b", granted=True, until=now - timedelta(seconds=1))
    assert not allowed([ended], "a", "b", "read", "k")
    lasting = Grant(source="a", target="b", granted=True, until=expiry(1))
    assert allowed([lasting], "a", "b", "read", "k")
    assert not allowed([lasting], "a", "b", "write", "k")
    assert allowed([], "a", "a", "write", "k")
    for wrong in (0, -1, float("nan"), 1e9):
        with pytest.raises(InputError):
            expiry(wrong)
    with pytest.raises(InputError):
        Grant(source="a", target="b", type="all")
    with pytest.raises(InputError):
        scope_named("everybody")


async def test_a_permission_that_has_ended_can_be_asked_for_again(call, monkeypatch):
    async with call() as ask:
        await ask("set_mod_data", ALICE, "shop", {"theme": 1, "address": 2})
        await ask("grant_permission", ALICE, "ads", "shop", keys=["theme"])
        await ask("request_permission", ALICE, "ads", "shop", keys=["theme"])  # there already
        await ask("request_permission", ALICE, "ads", "shop", keys=["address"])
        said = (await ask("list_permissions", ALICE)).get()
        assert [(each["keys"], each["granted"]) for each in said] == [
            (("theme",), True),
            (("address",), False),
        ]
        await ask("grant_permission", ALICE, "ads", "shop", keys=["address"], expires_hours=1)
        assert (await ask("get_mod_data", ALICE, "ads", "shop")).get() == {"theme": 1, "address": 2}
        monkeypatch.setattr(Grant, "is_current", lambda _self, _now=None: False)
        assert (await ask("get_mod_data", ALICE, "ads", "shop")).get() == {}
        await ask("request_permission", ALICE, "ads", "shop", keys=["theme"])
        said = (await ask("list_permissions", ALICE)).get()
        assert {tuple(each["keys"]): each["granted"] for each in said} == {
            ("address",): True,
            ("theme",): False,
        }
        log = (await ask("get_access_log", ALICE)).get()
        assert [(each["key"], each["allowed"]) for each in log] == [
            ("*", False),
            ("theme, address", True),
        ]
        monkeypatch.setattr(user_data, "MOST_GRANTS", 2)
        too_many = await ask("request_permission", ALICE, "ads", "shop", keys=["x"])
        assert too_many.info.exec_code == 409


async def test_nobody_fills_the_disk(call, monkeypatch):
    monkeypatch.setattr(user_data, "MOST_FILES", 2)
    monkeypatch.setattr(user_data, "MOST_BYTES", 10)
    async with call() as ask:
        for path in ("a", "b", "a"):
            assert (await ask("set_data", ALICE, path=path, data=1)).is_ok()
        assert (await ask("set_data", ALICE, path="c", data=1)).info.exec_code == 413
        assert (await ask("set_data", ALICE, path="a", data="x" * 9)).info.exec_code == 413
        assert (await ask("get_data", ALICE, path="a")).get() == 1
        assert (await ask("set_data", BOB, path="a", data=1)).is_ok()


async def test_what_waited_for_its_store_is_sent_when_the_user_asks(
    pegboard_app, redis_server, redis_backend
):
    with Proxy(redis_server.port) as proxy:
        cloud = {
            **redis_backend.config["plugins"]["storage_cloud"],
            "redis_url": redis_server.url.replace(str(redis_server.port), str(proxy.port)),
            "retry_pause": 0.05,
            "retry_pause_max": 0.1,
        }
        config = {"plugins": {"storage": {"mode": "RR"}, "storage_cloud": cloud}}
        plugins = ["storage", "storage_local", "storage_cloud"]
        async with pegboard_app(plugins=plugins, mods=[user_data], config=config) as app:

            async def ask(name, **arguments):
                with entered(app, ALICE):
                    return await app.call(f"user_data.{name}", **arguments)

            assert (await ask("sync")).get() == {"synced": 0, "pending": []}
            for path, scope in (("here", "private"), ("late", "shared")):
                assert (await ask("set_data", path=path, scope=scope, data=1)).is_ok()
            proxy.cut()
            assert (await ask("set_data", path="late", scope="shared", data=2)).is_ok()
            assert (await ask("sync")).info.exec_code == 503
            proxy.mend()
            with fail_after(30):
                while (said := await ask("sync")).is_error():
                    await lowlevel.checkpoint()
            assert said.get() == {"synced": 2, "pending": []}
            (check,) = app.plugins.hooks.first("health", app=app)
            assert "wait" not in check.detail
            with entered(app, NOBODY):
                assert (await app.call("user_data.sync")).info.exec_code == 401

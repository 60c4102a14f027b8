"""What is taken away is gone everywhere, and what has ended stays ended."""

import base64
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import anyio
import pytest

from pegboard import App, Session
from pegboard._plugin_reload import Wanted
from pegboard.errors import InputError, NotFoundError
from pegboard.testing import EventStreamClient, HttpClient, WebSocketClient, WebSocketClosed
from pegboard_auth._key_ring import KeyRing
from pegboard_auth._trail import forget_old, note_change
from tests.plugins.auth.conftest import (
    HOST,
    PASSWORD,
    RunApp,
    accounts_of,
    anybody,
    bearer,
    jar,
    make,
    reception_of,
    signed_in,
    tokens,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def app(run_app: RunApp) -> AsyncIterator[App]:
    async with run_app("transport_ws") as app:
        export(app)
        yield app


def export(app: App) -> None:
    @app.export(mod_name="Me", api=True, level=1)
    async def follow():
        yield "begun"
        await anyio.sleep_forever()

    @app.export(mod_name="Me", websocket_handler="room", level=1)
    def room() -> dict:
        return {"on_message": print}


async def status(client: HttpClient) -> int:
    return (await client.get("/IsValidSession")).status


STALE_PATHS = ["/auth/token", "/auth/sign-in", "/auth/sign-out", "/validateSession", "/web/logoutS"]


@pytest.mark.parametrize("path", STALE_PATHS)
async def test_a_token_that_has_ended_is_no_reason_not_to_sign_in_or_out(run_app, path):
    async with run_app(access_lifetime=1e-9) as app:
        await make(app, "ada")
        pair = await tokens(app, "ada")
        stale = bearer(app, pair["access_token"])
        assert await status(stale) == 401
        name = {"name": "ada", "password": PASSWORD}
        fields = {"/auth/token": {"refresh_token": pair["refresh_token"]}, "/auth/sign-in": name}
        answer = await stale.post(path, json=fields.get(path, {}))
        assert answer.status == (401 if path == "/validateSession" else 200), answer


async def test_a_reset_leaves_nothing_that_lets_in(app):
    ada = await make(app, "ada")
    browser, pair = await signed_in(app, "ada"), await tokens(app, "ada")
    key = await accounts_of(app).add_key(ada.uid, title="robot")
    links = [await accounts_of(app).link(each, ada.uid) for each in ("sign_in", "password")]
    code = await accounts_of(app).reset(ada.uid)
    assert await status(browser) == 401
    assert await status(bearer(app, pair["access_token"])) == 401
    assert await status(bearer(app, key)) == 401
    fields = {"name": "ada", "password": PASSWORD}
    assert (await anybody(app).post("/auth/sign-in", json=fields)).status == 401
    for link in links:
        answer = await anybody(app).post("/auth/link", json={"code": link, "password": PASSWORD})
        assert answer.status == 401
    answer = await anybody(app).post("/auth/link", json={"code": code, "password": PASSWORD})
    assert answer.status == 200


async def test_the_cookie_made_of_a_token_ends_with_the_tokens(app):
    await make(app, "ada")
    pair = await tokens(app, "ada")
    answer = await bearer(app, pair["access_token"]).post("/validateSession", json={})
    browser = anybody(app, cookie=jar(answer))
    assert await status(browser) == 200
    assert len(await accounts_of(app).sessions((await accounts_of(app).find("ada")).uid)) == 1
    used = {"refresh_token": pair["refresh_token"]}
    assert (await anybody(app).post("/auth/token", json=used)).status == 200
    assert (await anybody(app).post("/auth/token", json=used)).status == 401
    assert await status(browser) == 401


async def test_keys_of_a_disabled_account_do_not_come_back(app):
    ada = await make(app, "ada")
    key = await accounts_of(app).add_key(ada.uid, title="robot")
    await accounts_of(app).disable(ada.uid)
    await accounts_of(app).enable(ada.uid)
    assert await status(bearer(app, key)) == 401


async def test_what_is_open_for_a_session_is_closed_when_it_reaches_its_end(run_app):
    async with run_app("transport_ws", session_lifetime=1.0) as app:
        export(app)
        ada = await make(app, "ada")
        cookie = jar(await signed_in_response(app))
        key = await accounts_of(app).add_key(ada.uid, title="robot", lifetime=1.0)
        sockets, streams = WebSocketClient(app), EventStreamClient(app)
        async with (
            sockets.connect("/ws/Me/room", headers={**HOST, "cookie": cookie}) as by_cookie,
            sockets.connect("/ws/Me/room", headers={**HOST, "x-api-key": key}) as by_key,
            streams.connect("/sse/Me/follow", headers={**HOST, "cookie": cookie}) as stream,
        ):
            with anyio.fail_after(10):
                for socket in (by_cookie, by_key):
                    with pytest.raises(WebSocketClosed) as closed:
                        await socket.receive()
                    assert closed.value.code == 1008
                async for _ in stream:  # until it ends
                    pass


async def signed_in_response(app: App):
    return await anybody(app).post("/auth/sign-in", json={"name": "ada", "password": PASSWORD})


@pytest.fixture
def _modules() -> Iterator[None]:
    """Let the tests after a reload have the modules that they have imported."""
    import pegboard_auth.plugin  # noqa: F401 - which an app would import first

    before = {name: each for name, each in sys.modules.items() if name.startswith("pegboard_auth")}
    yield
    for name in [each for each in sys.modules if each.startswith("pegboard_auth")]:
        del sys.modules[name]
    sys.modules.update(before)


@pytest.mark.usefixtures("_modules")
async def test_after_a_reload_what_others_revoke_closes_what_was_open_before(app):
    ada = await make(app, "ada")
    cookie = jar(await signed_in_response(app))
    async with WebSocketClient(app).connect(
        "/ws/Me/room", headers={**HOST, "cookie": cookie}
    ) as socket:
        outcome = await app.reloader.reload("auth")
        assert [each.outcome for each in outcome] == ["reloaded"], outcome
        assert len(app.ws_connections("Me/room")) == 1, "a reload alone closes nothing"
        # as another process does it: nothing here is told
        database = reception_of(app)._database
        await database.awrite(
            lambda tables: tables.execute(
                "update accounts set disabled_at = 1 where uid = ?", ada.uid
            )
        )
        await database.awrite(lambda tables: note_change(tables, ada.uid, 1.0))
        with anyio.fail_after(10), pytest.raises(WebSocketClosed):
            await socket.receive()


@pytest.mark.usefixtures("_modules")
async def test_when_accounts_are_taken_away_what_is_open_for_them_is_closed(app):
    await make(app, "ada")
    cookie = jar(await signed_in_response(app))
    async with WebSocketClient(app).connect(
        "/ws/Me/room", headers={**HOST, "cookie": cookie}
    ) as socket:
        wanted = Wanted(removed=("auth",))
        await app.reloader._locked(lambda: app.reloader._plugins.run(wanted))
        with anyio.fail_after(10), pytest.raises(WebSocketClosed):
            await socket.receive()


RELOADS = """
import sys, anyio
from pathlib import Path
from pegboard import App
from pegboard.testing import HttpClient

async def main():
    plugins = ["auth", "transport_http"]
    async with App("board", project=Path(sys.argv[1]), plugins=plugins, mods=[]) as app:
        client = HttpClient(app, headers={"host": "app.example"})
        for _ in range(3):
            (outcome,) = await app.reloader.reload("auth")
            assert outcome.outcome == "reloaded", outcome
            fields = {"name": "ada", "password": "wrong"}
            assert (await client.post("/auth/sign-in", json=fields)).status == 401
        with anyio.move_on_after(20):
            while left := await app.reloader.settle():
                await anyio.sleep(0.1)
        print(left)

anyio.run(main)
"""


def test_no_code_that_was_replaced_stays(tmp_path):
    """In a process of its own: the tests here hold what they have imported."""
    command = [sys.executable, "-c", RELOADS, str(tmp_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr


async def test_keys_that_have_ended_do_not_count_and_go(run_app):
    async with run_app(max_keys=2) as app:
        ada = await make(app, "ada")
        accounts = accounts_of(app)
        for _ in range(2):
            await accounts.add_key(ada.uid, title="short", lifetime=1e-9)
        await accounts.add_key(ada.uid, title="lasts")
        database = reception_of(app)._database
        now = ada.created_at + 7 * 86_400
        await database.awrite(lambda tables: forget_old(tables, now, audit_days=1))
        assert [each.title for each in await accounts.keys(ada.uid)] == ["lasts"]


async def test_a_key_has_an_end_that_people_can_read(app):
    await make(app, "ada")
    browser = await signed_in(app, "ada")
    for fields in ({"days": 9_999_999}, {"days": 0}, {"scopes": [1]}, {"scopes": {"a": 1}}):
        answer = await browser.post("/auth/account/add-key", json={"title": "x", **fields})
        assert answer.status == 400, fields
    assert (await browser.get("/auth/account", headers={"accept": "text/html"})).status == 200


async def test_a_new_key_signs_and_older_signatures_are_good_for_a_time(app):
    await make(app, "ada")
    browser, pair = await signed_in(app, "ada"), await tokens(app, "ada")
    ring = accounts_of(app)._ring
    assert await accounts_of(app).rotate_keys(grace=3600) == 1
    reception_of(app)._cache.clear()
    assert await status(browser) == 200
    assert await status(bearer(app, pair["access_token"])) == 200
    fresh = await tokens(app, "ada")
    names = [json.loads(decoded(each["access_token"]))["kid"] for each in (pair, fresh)]
    assert names[0] != names[1]
    other = KeyRing(ring._path)  # as another process has it that knew the ring before
    before = other.codec()
    assert await accounts_of(app).rotate_keys(grace=3600) == 2
    assert other.codec() is not before
    assert await status(bearer(app, fresh["access_token"])) == 200


async def test_keys_that_were_copied_are_given_up_with_all_that_they_have_signed(app):
    ada = await make(app, "ada")
    browser, pair = await signed_in(app, "ada"), await tokens(app, "ada")
    key = await accounts_of(app).add_key(ada.uid, title="robot")
    stolen = accounts_of(app)._ring.codec()
    assert await accounts_of(app).rotate_keys(grace=0) == 0
    assert await status(browser) == 401
    used = {"refresh_token": pair["refresh_token"]}
    assert (await anybody(app).post("/auth/token", json=used)).status == 401
    fresh = await tokens(app, "ada")
    claims = accounts_of(app)._ring.codec().check(fresh["access_token"], "access", ada.created_at)
    assert await status(bearer(app, fresh["access_token"])) == 200
    assert await status(bearer(app, stolen.sign(claims))) == 401
    assert await status(bearer(app, key)) == 200, "it is not signed, but known"


def decoded(token: str) -> bytes:
    head = token.partition(".")[0]
    return base64.urlsafe_b64decode(head + "=" * (-len(head) % 4))


async def test_mods_keep_values_in_a_session_until_it_ends(app):
    await make(app, "ada")
    browser, other = await signed_in(app, "ada"), await signed_in(app, "ada")
    accounts = accounts_of(app)

    async def data(client: HttpClient) -> dict:
        return (await client.get("/auth/session")).json()["result"]["data"]

    session = await session_of(app, browser)
    assert await accounts.keep(session, theme="dark", seen=[1, {"ö": None}]) == {
        "theme": "dark",
        "seen": [1, {"ö": None}],
    }
    assert (await data(browser))["extra_data"] == {
        "source": "cookie",
        "theme": "dark",
        "seen": [1, {"ö": None}],
    }
    assert (await data(other))["extra_data"] == {"source": "cookie"}
    assert await accounts.keep(session, seen=None) == {"theme": "dark"}
    assert (await session_of(app, browser)).get("theme") == "dark"
    for values, reason in (
        ({"source": "key"}, "taken"),
        ({"big": "x" * 5000}, "at most 4096 bytes"),
        ({"odd": object()}, "JSON"),
    ):
        with pytest.raises(InputError, match=reason):
            await accounts.keep(session, **values)
    await browser.post("/auth/sign-out")
    with pytest.raises(NotFoundError):
        await accounts.keep(session, theme="light")


async def session_of(app: App, client: HttpClient):
    return Session.from_dict((await client.get("/auth/session")).json()["result"]["data"])


async def test_values_that_a_mod_keeps_close_no_socket(app):
    await make(app, "ada")
    cookie = jar(await signed_in_response(app))
    async with WebSocketClient(app).connect(
        "/ws/Me/room", headers={**HOST, "cookie": cookie}
    ) as socket:
        session = await session_of(app, anybody(app, cookie=cookie))
        await accounts_of(app).keep(session, theme="dark")
        await socket.send_text("still here")
        assert len(app.ws_connections("Me/room")) == 1


@pytest.mark.parametrize(
    "name", ["\u3164", "admin\u3164", "\u2800", "admin\ufe0f", "a\u034f", "-!"]
)
async def test_names_that_look_like_nothing_or_like_others_are_refused(app, name):
    with pytest.raises(InputError):
        await accounts_of(app).add(name)

"""Several workers, restarts and open connections: what one ends, all end."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import anyio
import pytest

from pegboard import App
from pegboard.errors import ConflictError, InputError, UnauthorizedError
from pegboard.testing import EventStreamClient, HttpClient, WebSocketClient, WebSocketClosed
from pegboard_auth._feed import TRUSTED
from pegboard_auth._provider import Profile
from pegboard_auth._trail import forget_old
from tests.plugins.auth.conftest import (
    CHEAP,
    HOST,
    PASSWORD,
    accounts_of,
    anybody,
    bearer,
    jar,
    make,
    reception_of,
    tokens,
)

pytestmark = pytest.mark.anyio


class Place(NamedTuple):
    project: Path
    settings: dict[str, object]


@pytest.fixture(params=["file", "server"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where accounts are: in a file of one machine, or on a server for workers of several."""
    if request.param == "file":
        return Place(tmp_path, {})
    return Place(tmp_path, {"url": request.getfixturevalue("postgres").database()})


@asynccontextmanager
async def worker(place: Place) -> AsyncIterator[App]:
    """Run an app as one of several processes does: with nothing but the files in common."""
    project, settings = place
    config = {"plugins": {"auth": {**CHEAP, **settings}}}
    plugins = ["auth", "transport_http", "transport_ws"]
    async with App("board", project=project, plugins=plugins, mods=[], config=config) as app:

        @app.export(mod_name="Me", api=True, level=1)
        def who() -> str:
            return "known"

        @app.export(mod_name="Me", api=True, level=1)
        async def follow():
            yield "begun"
            await anyio.sleep_forever()

        @app.export(mod_name="Me", websocket_handler="room", level=1)
        def room() -> dict:
            return {"on_message": print}

        yield app


async def cookie_of(app: App, name: str) -> dict[str, str]:
    fields = {"name": name, "password": PASSWORD}
    response = await anybody(app).post("/auth/sign-in", json=fields)
    return {**HOST, "cookie": jar(response)}


async def status(app: App, headers: dict[str, str]) -> int:
    return (await HttpClient(app, headers=headers).get("/api/Me/who")).status


async def test_a_session_is_known_by_all_and_ended_for_all_within_a_second(place):
    async with worker(place) as one, worker(place) as two:
        ada = await make(one, "ada")
        cookie = await cookie_of(one, "ada")
        pair = await tokens(two, "ada")
        access = {**HOST, "authorization": f"Bearer {pair['access_token']}"}
        key = {**HOST, "x-api-key": await accounts_of(one).add_key(ada.uid, title="robot")}
        for shown in (cookie, access, key):
            for _ in range(3):  # the first looks it up, the others know
                assert [await status(app, shown) for app in (one, two)] == [200, 200]
        assert len(reception_of(two)._cache) == 3
        await accounts_of(one).disable(ada.uid)
        with anyio.fail_after(10):
            for shown in (cookie, access, key):
                assert await status(one, shown) == 401, "known at once where it was done"
                while await status(two, shown) != 401:
                    await anyio.lowlevel.checkpoint()
        # What is known is trusted for less than a second after it was compared with the database,
        # however slow anything is here:
        assert TRUSTED < 1
        assert reception_of(two)._feed.fresh_until <= time.monotonic() + TRUSTED


async def test_a_worker_that_cannot_follow_trusts_nothing_that_it_knows(place):
    async with worker(place) as one, worker(place) as two:
        await make(one, "ada")
        cookie = await cookie_of(one, "ada")
        assert await status(two, cookie) == 200
        feed = reception_of(two)._feed
        async with feed._reading:  # it waits for somebody who does not come
            feed.fresh_until = 0.0
            await accounts_of(one).end_others((await accounts_of(one).find("ada")).uid, "")
            assert await status(two, cookie) == 401


async def test_a_restart_and_new_processes_keep_sessions(place):
    async with worker(place) as app:
        ada = await make(app, "ada")
        cookie = await cookie_of(app, "ada")
        pair = await tokens(app, "ada")
        key = {**HOST, "x-api-key": await accounts_of(app).add_key(ada.uid, title="robot")}
    async with worker(place) as app:
        assert await status(app, cookie) == 200
        assert await status(app, key) == 200
        assert (await bearer(app, pair["access_token"]).get("/api/Me/who")).status == 200
        refresh = {"refresh_token": pair["refresh_token"]}
        assert (await anybody(app).post("/auth/token", json=refresh)).status == 200


async def test_open_sockets_and_event_streams_of_an_ended_session_end(place):
    async with worker(place) as one, worker(place) as two:
        await make(one, "ada")
        await make(one, "bob")
        cookie, other = await cookie_of(one, "ada"), await cookie_of(one, "bob")
        sockets, streams = WebSocketClient(two), EventStreamClient(two)
        async with (
            sockets.connect("/ws/Me/room", headers=cookie) as ours,
            sockets.connect("/ws/Me/room", headers=other) as theirs,
            streams.connect("/sse/Me/follow", headers=cookie) as stream,
        ):
            events = aiter(stream)
            while (await anext(events)).data != "begun":
                pass
            assert (await HttpClient(one, headers=cookie).post("/auth/sign-out")).status == 200
            with anyio.fail_after(10):
                with pytest.raises(WebSocketClosed) as closed:
                    await ours.receive()
                assert closed.value.code == 1008
                async for _ in events:  # until it ends
                    pass
            await theirs.send_text("still here")
            assert len(two.ws_connections("Me/room")) == 1


async def test_a_worker_that_was_far_behind_forgets_everything(place):
    async with worker(place) as one, worker(place) as two:
        ada = await make(one, "ada")
        cookie = await cookie_of(one, "ada")
        assert await status(two, cookie) == 200
        feed = reception_of(two)._feed
        async with feed._reading:
            database = reception_of(one)._database
            await accounts_of(one).disable(ada.uid)
            database.write(lambda tables: tables.execute("delete from changes"))
        await feed.read()
        assert await status(two, cookie) == 401


async def test_all_that_accounts_do_is_done_on_either(place):
    async with worker(place) as app:
        accounts = accounts_of(app)
        code = await accounts.setup_code(time.time(), patience=30)
        assert await accounts.setup_code(time.time(), patience=30) is None
        root = await accounts.use_link(code or "", name="Root", password=PASSWORD)
        ada = await accounts.add("Ada", mail="ada@x.example")
        with pytest.raises(ConflictError):
            await accounts.add("ADA")
        with pytest.raises(ConflictError):
            await accounts.set_mail(root.uid, "Ada@x.example")
        link = await accounts.link("password", ada.uid)
        await accounts.use_link(link, password=PASSWORD)
        assert (await accounts.sign_in("ada", PASSWORD)).uid == ada.uid
        with pytest.raises(UnauthorizedError):
            await accounts.sign_in("ada", "wrong")
        pair = await accounts.issue(ada.uid)
        again = await accounts.refresh(pair.refresh_token)
        with pytest.raises(UnauthorizedError, match="used before"):
            await accounts.refresh(pair.refresh_token)
        assert await accounts.sessions(ada.uid) == []
        assert again.access_token
        key = await accounts.add_key(ada.uid, title="k", level=5, scopes=["Me.*"], lifetime=60)
        (kept,) = await accounts.keys(ada.uid)
        assert (kept.level, kept.scopes) == (1, ("Me.*",))
        assert await status(app, {**HOST, "x-api-key": key}) == 200
        await accounts.set_level(ada.uid, 5)
        with pytest.raises(InputError):
            await accounts.disable(root.uid)
        code = await accounts.reset(ada.uid)
        assert (await accounts.look_at_link(code)).purpose == "password"
        profile = Profile(issuer="https://x.example", subject="1", name="Root")
        known = await accounts.sign_in_by(profile, sign_up=True, by_mail=False)
        assert known.name == "Root 2"
        assert [each.name for each in await accounts.all()] == ["Ada", "Root", "Root 2"]
        events = await accounts.audit(1000)
        assert {"account_reset", "refresh_reused", "key_added"} <= {each.event for each in events}
        database = reception_of(app)._database
        later = time.time() + 400 * 86_400
        await database.awrite(lambda tables: forget_old(tables, later, audit_days=30))
        assert await accounts.audit() == []


async def test_an_account_has_so_many_sessions_and_the_oldest_end(place):
    place.settings["max_sessions"] = 2
    async with worker(place) as app:
        ada = await make(app, "ada")
        begun = [await accounts_of(app).begin(ada.uid) for _ in range(3)]
        shown = [{**HOST, "cookie": f"pegboard_session={each}"} for each in begun]
        assert [await status(app, each) for each in shown] == [401, 200, 200]

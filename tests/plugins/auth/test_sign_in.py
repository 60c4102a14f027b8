"""Signing in and out, sessions, tokens, keys and links, over HTTP."""

import sys
import time
from datetime import datetime

import msgspec
import pytest
from anyio import to_thread
from click.testing import CliRunner

from pegboard import App, RequestData, current_session
from pegboard.contracts.server import ServeSettings
from pegboard.errors import ConflictError, InputError, NotFoundError, UnauthorizedError
from pegboard.testing import HttpClient
from pegboard_auth._command import users
from pegboard_auth._token import Claims
from pegboard_auth._welcome import announce
from tests.plugins.auth.conftest import (
    PASSWORD,
    RunApp,
    accounts_of,
    anybody,
    bearer,
    browser_of,
    jar,
    make,
    reception_of,
    set_cookies,
    signed_in,
    tokens,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """One loop is enough here: the attacks, which take the same ways, run on both."""
    return "asyncio"


def add_exports(app: App) -> None:
    @app.export(mod_name="Me", api=True, level=1, request_as_kwarg=True)
    def who(request: RequestData) -> dict:
        return request.session.to_dict()

    @app.export(mod_name="Me", api=True, level=0)
    def maybe() -> str:
        return current_session().user_name


@pytest.fixture
async def app(run_app: RunApp):
    async with run_app() as app:
        add_exports(app)
        yield app


async def name_of(client: HttpClient) -> str:
    response = await client.get("/api/Me/maybe")
    assert response.status == 200, response
    return response.json()["result"]["data"]


async def test_a_session_has_all_documented_fields(app):
    ada = await make(app, "Ada")
    browser = await signed_in(app, "ada")
    session = (await browser.get("/api/Me/who")).json()["result"]["data"]
    assert session == {
        "SiID": session["session_id"],
        "level": 1,
        "spec": "app",
        "user_name": "Ada",
        "extra_data": {"source": "cookie"},
        "user_id": ada.uid,
        "session_id": session["SiID"],
        "cloudm_user_id": ada.uid,
        "validated": True,
        "anonymous": False,
    }
    assert (await browser.get("/api_user_data")).json()["result"]["data"] == session


async def test_the_documented_addresses_answer(app):
    await make(app, "ada")
    assert (await anybody(app).get("/IsValidSession")).status == 401
    assert (await anybody(app).get("/api_user_data")).status == 401
    browser = await signed_in(app, "ada")
    valid = (await browser.get("/IsValidSession")).json()["result"]["data"]
    assert valid == {"valid": True, "user_name": "ada"}
    assert (await browser.post("/web/logoutS")).status == 200
    assert (await browser.get("/IsValidSession")).status == 401


async def test_a_good_token_becomes_a_cookie(app):
    await make(app, "ada")
    token = (await tokens(app, "ada"))["access_token"]
    for ask in (
        bearer(app, token).post("/validateSession"),
        anybody(app).post("/validateSession", json={"Jwt_claim": token, "Username": "ada"}),
    ):
        response = await ask
        assert await name_of(anybody(app, cookie=jar(response))) == "ada"
    body = {"Jwt_claim": token, "Username": "bob"}
    assert (await anybody(app).post("/validateSession", json=body)).status == 401
    assert (await anybody(app).post("/validateSession")).status == 401


async def test_a_form_leads_on_to_the_page_and_a_wrong_password_back_to_the_form(app):
    await make(app, "ada")
    right = {"name": "ada", "password": PASSWORD, "next": "/api/Me/who?x=1"}
    response = await browser_of(app).post("/auth/sign-in", form=right)
    assert (response.status, response.headers.location) == (303, "/api/Me/who?x=1")
    response = await browser_of(app).post("/auth/sign-in", form={**right, "password": "wrong"})
    assert response.status == 401
    assert 'role="alert"' in response.text
    assert 'value="ada"' in response.text
    assert PASSWORD not in response.text


@pytest.mark.parametrize("accept", ["*/*", "application/json", ""])
async def test_a_form_of_a_program_is_answered_with_the_envelope(app, accept):
    await make(app, "ada")
    client = anybody(app, accept=accept)
    form = {"name": "ada", "password": PASSWORD}
    response = await client.post("/auth/sign-in", form=form)
    assert response.json()["result"]["data"]["user_name"] == "ada"
    wrong = await client.post("/auth/sign-in", form={**form, "password": "wrong"})
    assert (wrong.status, wrong.json()["error"]) == (401, "InputError")
    own = anybody(app, accept=accept, cookie=jar(response))
    added = await own.post("/auth/account/add-key", form={"title": "robot"})
    assert added.json()["result"]["data"]["key"].startswith("pbk_")


@pytest.mark.parametrize("accept", ["*/*", "text/html"])
async def test_a_form_gets_a_token_and_never_a_page(app, accept):
    await make(app, "ada")
    client = anybody(app, accept=accept)
    form = {"name": "ada", "password": PASSWORD}
    response = await client.post("/auth/token", form=form)
    pair = response.json()["result"]["data"]
    assert await name_of(bearer(app, pair["access_token"])) == "ada"
    wrong = await client.post("/auth/token", form={**form, "password": "wrong"})
    assert (wrong.status, wrong.headers.content_type) == (401, "application/json")


async def test_a_page_that_needs_somebody_leads_to_the_sign_in_page_and_back(app):
    page = {"accept": "text/html"}
    response = await anybody(app).get("/auth/account", headers=page)
    assert response.headers.location == "/auth/sign-in?next=/auth/account"
    assert (await anybody(app).get("/auth/account")).status == 401


async def test_the_cookie_is_for_this_site_and_no_script_and_over_tls_for_tls_only(app):
    await make(app, "ada")
    fields = {"name": "ada", "password": PASSWORD}
    plain = set_cookies(await anybody(app).post("/auth/sign-in", json=fields))
    assert plain["pegboard_session"].split("; ")[1:] == [
        "Path=/",
        "Max-Age=604800",
        "HttpOnly",
        "SameSite=Strict",
    ]
    asgi = app.asgi()

    async def over_tls(scope, receive, send):
        await asgi({**scope, "scheme": "https"}, receive, send)

    client = HttpClient(over_tls, headers={"host": "app.example"})
    secure = await client.post("/auth/sign-in", json=fields)
    found = set_cookies(secure)
    assert set(found) == {"__Host-pegboard_session", "__Host-pegboard_session_device"}
    assert all(value.endswith("; Secure") for value in found.values())
    known = await client.get("/api/Me/maybe", headers={"cookie": jar(secure)})
    assert known.json()["result"]["data"] == "ada"
    foisted = {"cookie": jar(secure).replace("__Host-", "")}
    assert (await client.get("/api/Me/maybe", headers=foisted)).json()["result"]["data"] == (
        "anonymous"
    )


async def test_signing_out_ends_that_session_only(app):
    await make(app, "ada")
    here, there = await signed_in(app, "ada"), await signed_in(app, "ada")
    response = await here.post("/auth/sign-out")
    assert "Max-Age=0" in set_cookies(response)["pegboard_session"]
    assert await name_of(here) == "anonymous"
    assert await name_of(there) == "ada"
    mine = await accounts_of(app).sessions((await accounts_of(app).find("ada")).uid)
    assert len(mine) == 1


async def test_ending_all_others_leaves_this_one(app):
    await make(app, "ada")
    here, there = await signed_in(app, "ada"), await signed_in(app, "ada")
    program = bearer(app, (await tokens(app, "ada"))["access_token"])
    ended = (await here.post("/auth/account/end-others")).json()["result"]["data"]
    assert ended == {"ended": 2}
    assert await name_of(here) == "ada"
    assert await name_of(there) == "anonymous"
    assert (await program.get("/api/Me/maybe")).status == 401


async def test_nobody_ends_the_session_of_somebody_else(app):
    await make(app, "ada")
    bob = await make(app, "bob")
    ada, victim = await signed_in(app, "ada"), await signed_in(app, "bob")
    (session,) = await accounts_of(app).sessions(bob.uid)
    assert (await ada.post("/auth/account/end-session", json={"sid": session.sid})).status == 404
    assert await name_of(victim) == "bob"


async def test_an_account_has_only_so_many_sessions_and_the_newest_stay(run_app):
    async with run_app(max_sessions=2) as app:
        add_exports(app)
        await make(app, "ada")
        browsers = [await signed_in(app, "ada") for _ in range(4)]
        assert [await name_of(each) for each in browsers] == [
            "anonymous",
            "anonymous",
            "ada",
            "ada",
        ]


async def test_a_cookie_that_gets_old_is_replaced_and_both_are_good(run_app):
    async with run_app(rotate_after=1.0) as app:
        add_exports(app)
        ada = await make(app, "ada")
        await signed_in(app, "ada")
        (session,) = await accounts_of(app).sessions(ada.uid)
        now = time.time()
        claims = Claims(
            use="session", sid=session.sid, uid=ada.uid, issued=now - 5, expires=now + 500
        )
        old = accounts_of(app)._ring.codec().sign(claims)
        browser = anybody(app, cookie=f"pegboard_session={old}")
        answer = await browser.get("/api/Me/maybe")
        fresh = set_cookies(answer)["pegboard_session"].split(";")[0]
        assert fresh != old
        assert await name_of(anybody(app, cookie=f"pegboard_session={fresh}")) == "ada"
        assert not set_cookies(await browser.get("/api/Me/maybe")), "once a minute is enough"
        assert not set_cookies(await anybody(app, cookie=f"pegboard_session={fresh}").get("/x"))


async def test_a_change_of_the_password_needs_the_old_one_and_ends_the_others(app):
    await make(app, "ada")
    here, there = await signed_in(app, "ada"), await signed_in(app, "ada")
    new = "another good one"
    wrong = {"current": "wrong", "password": new}
    assert (await here.post("/auth/account/password", json=wrong)).status == 401
    weak = {"current": PASSWORD, "password": "short"}
    assert (await here.post("/auth/account/password", json=weak)).status == 400
    assert await name_of(there) == "ada"
    right = {"current": PASSWORD, "password": new}
    assert (await here.post("/auth/account/password", json=right)).status == 200
    assert await name_of(here) == "ada"
    assert await name_of(there) == "anonymous"
    again = {"name": "ada", "password": PASSWORD}
    assert (await anybody(app).post("/auth/sign-in", json=again)).status == 401
    again["password"] = new
    assert (await anybody(app).post("/auth/sign-in", json=again)).status == 200


async def test_a_level_is_known_at_once_and_the_last_administrator_stays_one(app):
    await make(app, "root", 10)
    ada = await make(app, "ada")
    admin, browser = await signed_in(app, "root"), await signed_in(app, "ada")
    assert (await browser.get("/auth/users")).status == 403
    raised = {"uid": ada.uid, "level": 10}
    assert (await admin.post("/auth/users/level", json=raised)).status == 200
    assert (await browser.get("/auth/users")).status == 200
    own = (await accounts_of(app).find("root")).uid
    assert (await admin.post("/auth/users/level", json={"uid": own, "level": 1})).status == 200
    last = await browser.post("/auth/users/disable", json={"uid": ada.uid})
    assert last.status == 400
    assert "administrator" in last.text


async def test_a_disabled_account_is_out_everywhere_and_may_come_back(app):
    await make(app, "root", 10)
    ada = await make(app, "ada")
    admin, browser = await signed_in(app, "root"), await signed_in(app, "ada")
    pair = await tokens(app, "ada")
    key = await accounts_of(app).add_key(ada.uid, title="robot")
    await admin.post("/auth/users/disable", json={"uid": ada.uid})
    assert await name_of(browser) == "anonymous"
    assert (await bearer(app, pair["access_token"]).get("/api/Me/maybe")).status == 401
    assert (await bearer(app, key).get("/api/Me/maybe")).status == 401
    refresh = {"refresh_token": pair["refresh_token"]}
    assert (await anybody(app).post("/auth/token", json=refresh)).status == 401
    again = {"name": "ada", "password": PASSWORD}
    assert (await anybody(app).post("/auth/sign-in", json=again)).status == 401
    await admin.post("/auth/users/enable", json={"uid": ada.uid})
    assert (await anybody(app).post("/auth/sign-in", json=again)).status == 200


async def test_tokens_are_exchanged_for_new_ones(app):
    await make(app, "ada")
    first = await tokens(app, "ada")
    second = await anybody(app).post("/auth/token", json={"refresh_token": first["refresh_token"]})
    fresh = second.json()["result"]["data"]
    assert fresh["token_type"] == "Bearer"
    assert fresh["expires_in"] == 600
    assert await name_of(bearer(app, fresh["access_token"])) == "ada"
    assert await name_of(bearer(app, first["access_token"])) == "ada"


async def test_a_key_gives_no_more_than_it_says_and_ends(app):
    ada = await make(app, "ada", 5)
    browser = await signed_in(app, "ada")
    made = await browser.post(
        "/auth/account/add-key",
        json={"title": "robot", "level": 1, "days": 1, "scopes": ["Me.who"]},
    )
    key = made.json()["result"]["data"]["key"]
    robot = anybody(app, **{"x-api-key": key})
    session = (await robot.get("/api/Me/who")).json()["result"]["data"]
    assert (session["level"], session["extra_data"]) == (1, {"source": "key"})
    assert (await robot.get("/api/Me/maybe")).status == 403
    (record,) = await accounts_of(app).keys(ada.uid)
    assert record.scopes == ("Me.who",)
    assert (await browser.post("/auth/account/end-key", json={"id": record.id})).status == 200
    assert (await robot.get("/api/Me/who")).status == 401


async def test_who_asks_for_a_key_is_told_what_it_gives(app):
    ada = await make(app, "ada", 5)
    browser = await signed_in(app, "ada")
    asked = {"title": "robot", "level": 10, "days": 1, "scopes": ["Me.who"]}
    made = await browser.post("/auth/account/add-key", json=asked)
    granted = made.json()["result"]["data"]
    (record,) = await accounts_of(app).keys(ada.uid)
    assert (granted["id"], granted["level"], granted["scopes"]) == (record.id, 5, ["Me.who"])
    assert datetime.fromisoformat(granted["ends"]).timestamp() == pytest.approx(record.expires_at)


async def test_a_key_does_not_outgrow_its_account(app):
    await make(app, "root", 10)
    ada = await make(app, "ada", 5)
    key = await accounts_of(app).add_key(ada.uid, title="robot", level=10)
    robot = bearer(app, key)
    assert (await robot.get("/api/Me/who")).json()["result"]["data"]["level"] == 5
    await accounts_of(app).set_level(ada.uid, 1)
    assert (await robot.get("/api/Me/who")).json()["result"]["data"]["level"] == 1


async def test_no_key_looks_at_or_changes_its_account(app):
    ada = await make(app, "ada", 10)
    robot = bearer(app, await accounts_of(app).add_key(ada.uid, title="robot"))
    assert (await robot.get("/auth/account")).status == 403
    assert (await robot.get("/auth/users")).status == 403
    for path in ("/auth/account/add-key", "/auth/account/end-others", "/auth/users/add"):
        body = {"title": "x", "name": "x"}
        assert (await robot.post(path, json=body)).status == 403, path
    assert (await robot.post("/validateSession")).status == 401


async def test_the_first_administrator_comes_by_a_link_that_is_good_once(app):
    accounts = accounts_of(app)
    code = await accounts.setup_code(time.time(), patience=30)
    assert code is not None
    assert await accounts.setup_code(time.time(), patience=30) is None, "another worker is silent"
    assert (await anybody(app).get("/auth/link")).status == 200
    weak = {"code": code, "name": "root", "password": "password123"}
    assert (await anybody(app).post("/auth/link", json=weak)).status == 400
    good = {**weak, "password": PASSWORD}
    made = await anybody(app).post("/auth/link", json=good)
    assert made.json()["result"]["data"]["level"] == 10
    assert (await anybody(app, cookie=jar(made)).get("/auth/users")).status == 200
    assert (await anybody(app).post("/auth/link", json={**good, "name": "eve"})).status == 401
    assert await accounts.setup_code(time.time() + 60, patience=30) is None


@pytest.mark.parametrize("command", [["add", "bob"], ["reset", "ada"]])
async def test_links_of_the_command_line_lead_to_the_address_that_is_served(
    run_app, tmp_path, command
):
    async with run_app() as app:
        await make(app, "ada")
    (tmp_path / "pegboard.toml").write_text('[serve]\nhost = "0.0.0.0"\nport = 5614\n')
    arguments = [*command, "--project", str(tmp_path)]
    done = await to_thread.run_sync(CliRunner().invoke, users, arguments)
    assert done.exit_code == 0, done.output
    assert "http://127.0.0.1:5614/auth/link#pbl_" in done.output


async def test_one_worker_prints_the_link_in_a_terminal(app, capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    for _ in range(2):
        await announce(reception_of(app), ServeSettings(port=8000))
    assert capsys.readouterr().err.count("http://127.0.0.1:8000/auth/link#pbl_") == 1
    await make(app, "root", 10)
    await announce(reception_of(app), ServeSettings(port=8000))
    assert capsys.readouterr().err == ""


async def test_without_a_terminal_the_log_says_that_there_is_no_administrator(app, caplog, capsys):
    reception = reception_of(app)
    with caplog.at_level("INFO", "pegboard.auth"):
        await announce(reception, ServeSettings())
        assert "`pegboard users add NAME --level 10` makes one" in caplog.text
        await make(app, "root", 10)
        caplog.clear()
        await announce(reception, ServeSettings())
    assert caplog.text == ""
    assert "link" not in capsys.readouterr().err


async def test_the_link_for_the_first_administrator_makes_no_second_one(app):
    code = await accounts_of(app).setup_code(time.time(), patience=30)
    await make(app, "root", 10)
    fields = {"code": code, "name": "eve", "password": PASSWORD}
    assert (await anybody(app).post("/auth/link", json=fields)).status == 401
    assert [each.name for each in await accounts_of(app).all()] == ["root"]


async def test_an_invited_user_sets_a_password_and_a_reset_ends_everything(app):
    await make(app, "root", 10)
    admin = await signed_in(app, "root")
    added = (await admin.post("/auth/users/add", json={"name": "Ada", "level": 5})).json()
    invited = added["result"]["data"]
    code = invited["link"].partition("#")[2]
    assert invited["link"].startswith("http://app.example/auth/link#pbl_")
    made = await anybody(app).post("/auth/link", json={"code": code, "password": PASSWORD})
    browser = anybody(app, cookie=jar(made))
    assert await name_of(browser) == "Ada"
    reset = await admin.post("/auth/users/reset", json={"uid": invited["uid"]})
    assert await name_of(browser) == "anonymous"
    code = reset.json()["result"]["data"]["link"].partition("#")[2]
    new = {"code": code, "password": "another good one"}
    assert (await anybody(app).post("/auth/link", json=new)).status == 200
    assert (await anybody(app).post("/auth/link", json=new)).status == 401


async def test_a_link_ends(run_app):
    async with run_app(link_lifetime=0.001) as app:
        ada = await make(app, "ada")
        code = await accounts_of(app).link("sign_in", ada.uid)
        with pytest.raises(UnauthorizedError, match="another one"):
            await accounts_of(app).use_link(code)


async def test_a_link_signs_in(app):
    ada = await make(app, "ada")
    code = await accounts_of(app).link("sign_in", ada.uid)
    response = await anybody(app).post("/auth/link", json={"code": code})
    assert await name_of(anybody(app, cookie=jar(response))) == "ada"


async def test_sign_up_is_there_only_where_it_is_turned_on(run_app):
    fields = {"name": "ada", "password": PASSWORD}
    async with run_app() as app:
        assert (await anybody(app).post("/auth/sign-up", json=fields)).status == 403
        assert (await anybody(app).get("/auth/sign-up")).status == 404
    async with run_app(sign_up=True) as app:
        assert (await anybody(app).get("/auth/sign-up")).status == 200
        response = await anybody(app).post("/auth/sign-up", json=fields)
        assert response.json()["result"]["data"]["level"] == 1
        assert (await anybody(app).post("/auth/sign-up", json=fields)).status == 409


async def test_accounts_in_python_say_what_is_wrong(app):
    accounts = accounts_of(app)
    await make(app, "ada")
    with pytest.raises(ConflictError, match="taken"):
        await make(app, "ADA")
    with pytest.raises(NotFoundError, match="no account"):
        await accounts.find("eve")
    with pytest.raises(NotFoundError):
        await accounts.get("nothing")
    with pytest.raises(InputError, match="level"):
        await accounts.add("eve", level=7)
    with pytest.raises(NotFoundError):
        await accounts.add_key("nothing", title="x")


async def test_the_audit_trail_tells_who_did_what_from_where(app):
    await make(app, "root", 10)
    ada = await make(app, "ada")
    admin = await signed_in(app, "root")
    await anybody(app).post("/auth/sign-in", json={"name": "ada", "password": "wrong"})
    await admin.post("/auth/users/level", json={"uid": ada.uid, "level": 5})
    events = (await admin.get("/auth/audit")).json()["result"]["data"]
    found = [(each["event"], each["uid"] == ada.uid, each["client"]) for each in events]
    assert found[:2] == [
        ("level_changed", True, "127.0.0.1"),
        ("sign_in_refused", True, "127.0.0.1"),
    ]
    older = (await admin.get("/auth/audit", query={"before": events[0]["id"]})).json()
    assert older["result"]["data"] == events[1:]
    assert (await (await signed_in(app, "ada")).get("/auth/audit")).status == 403


async def test_a_password_is_hashed_anew_when_the_settings_change(run_app):
    async with run_app() as app:
        await make(app, "ada")
    async with run_app(argon2_time=2) as app:
        database = reception_of(app)._database
        before = database.read(lambda tables: tables.value("select password from accounts"))
        await signed_in(app, "ada")
        after = database.read(lambda tables: tables.value("select password from accounts"))
        assert (",t=1," in before, ",t=2," in after) == (True, True)
        await signed_in(app, "ada")


async def test_what_is_wrong_about_a_request_is_said(app):
    client = anybody(app)
    assert (await client.get("/auth/nothing")).status == 404
    refused = await client.get("/auth/token")
    assert (refused.status, refused.headers.get("allow")) == (405, "POST")
    assert (await client.post("/auth/sign-in", json=["list"])).status == 400
    assert (await client.post("/auth/sign-in", json={"name": 1, "password": "x"})).status == 400
    assert (await client.post("/auth/sign-in", json={"name": "ada"})).status == 400
    large = msgspec.json.encode({"name": "x" * 20_000})
    json = {"content-type": "application/json"}
    assert (await client.post("/auth/sign-in", content=large, headers=json)).status == 413
    xml = {"content-type": "text/xml"}
    assert (await client.post("/auth/sign-in", content=b"<a/>", headers=xml)).status == 415

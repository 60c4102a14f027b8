"""What attackers try: each attempt is a test that it fails."""

import logging
import time
from itertools import product

import jwt
import pytest

from pegboard import App, RequestData
from pegboard.testing import HttpClient, HttpResponse, WebSocketClient, WebSocketRefused
from pegboard_auth import Actor
from pegboard_auth._token import Claims
from tests.plugins.auth.conftest import (
    HOST,
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

METHODS = ("POST", "PUT", "PATCH", "DELETE")


@pytest.fixture
async def app(run_app: RunApp):
    async with run_app("transport_ws") as app:
        add_exports(app)
        yield app


def add_exports(app: App) -> None:
    app.state("Bank").moved = 0

    @app.export(mod_name="Bank", api=True, level=1, api_methods=["AUTO", *METHODS[1:]])
    def move(state, request: RequestData) -> int:
        state.moved += 1
        return state.moved

    @app.export(mod_name="Bank", api=True, level=0, request_as_kwarg=True)
    def who(request: RequestData) -> str:
        return request.session.user_name

    @app.export(mod_name="Bank", websocket_handler="room", level=0)
    def room(app: App) -> dict:
        async def on_connect(app, conn_id, session):
            await app.ws_send(conn_id, {"user": session["user_name"]})

        return {"on_connect": on_connect}


async def who(client: HttpClient) -> str | int:
    response = await client.get("/api/Bank/who")
    return response.json()["result"]["data"] if response.status == 200 else response.status


def minted(app: App, use: str, **changes: float | str) -> str:
    """Return a token signed with the right key."""
    values = {"sid": "s", "uid": "u", "issued": time.time(), "expires": time.time() + 60}
    claims = Claims(use=use, **{**values, **changes})
    return accounts_of(app)._ring.codec().sign(claims)


# -- tokens --------------------------------------------------------------------------------


async def test_a_cookie_is_no_bearer_token_and_a_bearer_token_no_cookie(app):
    await make(app, "ada")
    fields = {"name": "ada", "password": PASSWORD}
    found = set_cookies(await anybody(app).post("/auth/sign-in", json=fields))
    values = {name: value.split(";")[0] for name, value in found.items()}
    access = (await tokens(app, "ada"))["access_token"]
    for value in values.values():
        assert await who(bearer(app, value)) == 401
    for value in (access, values["pegboard_session_device"]):
        assert await who(anybody(app, cookie=f"pegboard_session={value}")) == "anonymous"
    assert await who(bearer(app, access)) == "ada"


async def test_forged_and_downgraded_tokens_are_refused(app):
    await make(app, "ada")
    access = (await tokens(app, "ada"))["access_token"]
    header = jwt.get_unverified_header(access)
    del header["alg"]
    payload = jwt.decode(access, options={"verify_signature": False})
    head, body, signature = access.split(".")
    forged = [
        jwt.encode(payload, None, "none", headers=header),
        jwt.encode(payload, "x" * 32, "HS256", headers=header),
        jwt.encode(payload, header["kid"] * 8, "HS256", headers=header),
        f"{head}.{body}.",
        f"{head}.{body}.{signature[::-1]}",
        f"{head}.{body}",
    ]
    for token in forged:
        assert await who(bearer(app, token)) == 401, token


async def test_a_token_that_has_ended_or_names_a_session_that_never_was_is_refused(app):
    ada = await make(app, "ada")
    await signed_in(app, "ada")
    (session,) = await accounts_of(app).sessions(ada.uid)
    past = {"issued": time.time() - 100, "expires": time.time() - 1}
    own = {"sid": session.sid, "uid": ada.uid}
    assert await who(bearer(app, minted(app, "access", **own))) == "ada"
    assert await who(bearer(app, minted(app, "access", **own, **past))) == 401
    old = minted(app, "session", **own, **past)
    assert await who(anybody(app, cookie=f"pegboard_session={old}")) == "anonymous"
    assert await who(bearer(app, minted(app, "access"))) == 401
    assert await who(bearer(app, minted(app, "access", sid=session.sid, uid="other"))) == 401


async def test_a_token_of_another_installation_is_refused(app, tmp_path):
    await make(app, "ada")
    other = App("other", project=tmp_path / "other", plugins=["auth"], mods=[])
    async with other:
        stranger = await make(other, "ada")
        access = (await accounts_of(other).issue(stranger.uid)).access_token
    assert await who(bearer(app, access)) == 401


async def test_what_was_signed_out_cannot_be_replayed(app):
    await make(app, "ada")
    browser = await signed_in(app, "ada")
    assert await who(browser) == "ada"
    await browser.post("/auth/sign-out")
    assert await who(browser) == "anonymous"
    assert (await browser.get("/api/Bank/move")).status == 401


async def test_a_refresh_token_that_comes_twice_ends_the_session_for_everyone(app):
    await make(app, "ada")
    first = await tokens(app, "ada")
    stolen = {"refresh_token": first["refresh_token"]}
    fresh = (await anybody(app).post("/auth/token", json=stolen)).json()["result"]["data"]
    again = await anybody(app).post("/auth/token", json=stolen)
    assert again.status == 401
    assert "ended" in again.text
    for pair in (first, fresh):
        assert await who(bearer(app, pair["access_token"])) == 401
        used = {"refresh_token": pair["refresh_token"]}
        assert (await anybody(app).post("/auth/token", json=used)).status == 401
    events = await accounts_of(app).audit()
    assert "refresh_reused" in {each.event for each in events}


async def test_a_refresh_token_cannot_be_guessed(app):
    for text in ("", "x", "pbr_" + "0" * 18 + "_" + "x" * 43):
        fields = {"refresh_token": text, "name": "", "password": ""}
        assert (await anybody(app).post("/auth/token", json=fields)).status == 401


# -- other sites ---------------------------------------------------------------------------


async def test_a_session_that_was_foisted_on_a_browser_is_none_of_its_user(app):
    await make(app, "eve")
    await make(app, "ada")
    foisted = await anybody(app).post("/auth/sign-in", json={"name": "eve", "password": PASSWORD})
    browser = anybody(app, cookie=jar(foisted))
    answer = await browser.post("/auth/sign-in", json={"name": "ada", "password": PASSWORD})
    assert jar(answer) != jar(foisted)
    assert await who(anybody(app, cookie=jar(answer))) == "ada"
    assert await who(browser) == "anonymous", "the session of the attacker has ended"


BODIES = {
    "application/json": b"{}",
    "application/x-www-form-urlencoded": b"a=1",
    "multipart/form-data; boundary=x": b"--x--\r\n",
    "text/plain": b"{}",
    "application/octet-stream": b"\x00",
    "application/xml": b"<a/>",
    "": b"",
}
CROSS = (
    {"sec-fetch-site": "cross-site", "origin": "https://evil.example"},
    {"sec-fetch-site": "same-site", "origin": "https://other.example"},
    {"origin": "https://evil.example"},
    {"origin": "null"},
)


async def test_no_other_site_acts_with_the_cookie_whatever_it_sends(app):
    await make(app, "ada")
    browser = await signed_in(app, "ada")
    for method, kind, cross in product(METHODS, BODIES, CROSS):
        headers = {**cross, **({"content-type": kind} if kind else {})}
        answer = await browser.request(
            method, "/api/Bank/move", content=BODIES[kind], headers=headers
        )
        assert answer.status == 403, (method, kind, cross)
        assert "set-cookie" not in dict(answer.raw_headers)
    assert app.state("Bank").moved == 0
    assert (
        await browser.post("/api/Bank/move", headers={"sec-fetch-site": "same-origin"})
    ).status == 200


async def test_another_site_that_only_reads_reads_as_nobody(app):
    await make(app, "ada")
    browser = await signed_in(app, "ada")
    for cross in CROSS:
        assert (await browser.get("/api/Bank/move", headers=cross)).status == 401
        assert (await browser.get("/api/Bank/who", headers=cross)).json()["result"]["data"] == (
            "anonymous"
        )
        assert (await browser.get("/sse/Bank/move", headers=cross)).status == 401
    assert app.state("Bank").moved == 0


async def test_no_other_site_sends_our_forms(app):
    await make(app, "ada", 10)
    browser = await signed_in(app, "ada")
    paths = [
        "/auth/sign-in",
        "/auth/sign-out",
        "/auth/sign-up",
        "/auth/token",
        "/auth/link",
        "/auth/account/password",
        "/auth/account/add-key",
        "/auth/users/add",
        "/auth/users/level",
        "/validateSession",
        "/web/logoutS",
    ]
    form = {"name": "ada", "password": PASSWORD, "level": "10"}
    for path, cross, client in product(paths, CROSS, (browser, anybody(app))):
        answer = await client.post(path, form=form, headers=cross)
        assert answer.status == 403, path
        assert not set_cookies(answer)
    assert await who(browser) == "ada"
    assert len(await accounts_of(app).all()) == 1


async def test_a_bearer_token_needs_no_origin_since_no_browser_sends_it_unasked(app):
    await make(app, "ada")
    program = bearer(app, (await tokens(app, "ada"))["access_token"])
    assert (await program.post("/api/Bank/move", headers=CROSS[0])).status == 200


async def test_an_origin_that_is_trusted_may_act(run_app):
    async with run_app(trusted_origins=["https://admin.example"]) as app:
        add_exports_http(app)
        await make(app, "ada")
        browser = await signed_in(app, "ada")
        trusted = {"sec-fetch-site": "cross-site", "origin": "https://admin.example"}
        assert (await browser.post("/api/Bank/move", headers=trusted)).status == 200
        assert (await browser.post("/api/Bank/move", headers=CROSS[0])).status == 403


def add_exports_http(app: App) -> None:
    @app.export(mod_name="Bank", api=True, level=1)
    def move() -> int:
        return 1


async def test_no_other_site_opens_a_socket_as_its_user(tmp_path):
    config = {
        "plugins": {
            "auth": {"argon2_memory": 64, "argon2_time": 1},
            "transport_ws": {
                "allowed_origins": ["*"]
            },  # the socket is open to all, the user is not
        }
    }
    plugins = ["auth", "transport_http", "transport_ws"]
    async with App("b", project=tmp_path, plugins=plugins, mods=[], config=config) as app:
        add_exports(app)
        await make(app, "ada")
        response = await anybody(app).post(
            "/auth/sign-in", json={"name": "ada", "password": PASSWORD}
        )
        cookie = {**HOST, "cookie": jar(response)}
        async with WebSocketClient(app).connect("/ws/Bank/room", headers=cookie) as socket:
            assert await socket.receive_json() == {"user": "ada"}
        own = {**cookie, "origin": "http://app.example"}
        async with WebSocketClient(app).connect("/ws/Bank/room", headers=own) as socket:
            assert await socket.receive_json() == {"user": "ada"}
        for cross in CROSS:
            with pytest.raises(WebSocketRefused) as refused:
                async with WebSocketClient(app).connect(
                    "/ws/Bank/room", headers={**cookie, **cross}
                ):
                    pass
            assert refused.value.status == 403
        nobody = {**HOST, **CROSS[0]}
        async with WebSocketClient(app).connect("/ws/Bank/room", headers=nobody) as socket:
            assert await socket.receive_json() == {"user": "anonymous"}


ELSEWHERE = [
    "https://evil.example",
    "//evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "/\n/evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "evil.example",
    " /x",
    "/x\r\nSet-Cookie: a=b",
    "///evil.example",
]


async def test_signing_in_leads_to_no_other_site(app):
    await make(app, "ada")
    for target in ELSEWHERE:
        fields = {"name": "ada", "password": PASSWORD, "next": target}
        answer = await browser_of(app).post("/auth/sign-in", form=fields)
        assert (answer.status, answer.headers.location) == (303, "/auth/account"), target
        page = await anybody(app).get("/auth/sign-in", query={"next": target})
        assert 'name="next" value="/auth/account"' in page.text, target


# -- guessing ------------------------------------------------------------------------------


async def test_an_unknown_name_costs_as_much_as_a_wrong_password_and_reads_the_same(app):
    await make(app, "ada")
    ada = await make(app, "disabled")
    await accounts_of(app).disable(ada.uid)
    invited = await accounts_of(app).add("invited")
    assert not invited.has_password
    passwords = accounts_of(app)._passwords
    hasher, checked = passwords._hasher, []

    class Spy:
        def __getattr__(self, name):
            return getattr(hasher, name)

        def verify(self, known, password):
            checked.append(known.rsplit("$", 2)[0])
            return hasher.verify(known, password)

    passwords._hasher = Spy()
    answers = {}
    for name in ("ada", "nobody", "disabled", "invited", "x" * 500, "\ud800"[:0] + "ü"):
        password = PASSWORD if name == "disabled" else "wrong"
        answer = await anybody(app).post("/auth/sign-in", json={"name": name, "password": password})
        answers[name] = (answer.status, answer.body)
    assert len(set(answers.values())) == 1, answers
    assert len(checked) == len(answers)
    assert len(set(checked)) == 1, "each was hashed with the same cost"


async def test_guessing_is_slowed_and_the_owner_still_signs_in(run_app):
    async with run_app(attempts_per_account="3/h", attempts_per_client="1000/s") as app:
        await make(app, "ada")
        first = await anybody(app).post("/auth/sign-in", json={"name": "ada", "password": PASSWORD})
        device = jar(first)
        wrong = {"name": "ADA", "password": "wrong"}
        statuses = [(await guess(app, number, wrong)).status for number in range(6)]
        assert statuses == [401, 401, 429, 429, 429, 429]
        right = {"name": "ada", "password": PASSWORD}
        late = await guess(app, 99, right)
        assert late.status == 429, "not even the right password tells anything now"
        assert 0 < int(late.headers.retry_after or 0) <= 3600
        owner = anybody(app, cookie=device)
        assert (await owner.post("/auth/sign-in", json=right)).status == 200
        await make(app, "bob")
        bob = {"name": "bob", "password": PASSWORD}
        assert (await guess(app, 99, bob)).status == 200, "nobody else is concerned"


async def guess(app: App, number: int, fields: dict) -> HttpResponse:
    client = HttpClient(app, headers=HOST, address=(f"198.51.100.{number}", 5000))
    return await client.post("/auth/sign-in", json=fields)


async def test_one_address_that_tries_many_names_is_slowed_and_others_are_not(run_app):
    async with run_app(attempts_per_client="5/h") as app:
        await make(app, "ada")
        for number in range(5):
            tried = await guess(app, 1, {"name": f"user{number}", "password": "wrong"})
            assert tried.status == 401
        right = {"name": "ada", "password": PASSWORD}
        assert (await guess(app, 1, right)).status == 429
        assert (await guess(app, 2, right)).status == 200


async def test_a_device_of_one_account_is_nothing_special_for_another(run_app):
    async with run_app(attempts_per_account="2/h") as app:
        await make(app, "eve")
        await make(app, "ada")
        eve = await anybody(app).post("/auth/sign-in", json={"name": "eve", "password": PASSWORD})
        client = anybody(app, cookie=jar(eve))
        tries = [
            (await client.post("/auth/sign-in", json={"name": "ada", "password": "x"})).status
            for _ in range(3)
        ]
        assert tries == [401, 401, 429]


async def test_a_stolen_session_cannot_guess_the_password_either(run_app):
    async with run_app(attempts_per_account="3/h") as app:
        await make(app, "ada")
        browser = await signed_in(app, "ada")
        guesses = [
            (
                await browser.post(
                    "/auth/account/password", json={"current": "x", "password": "new words here"}
                )
            ).status
            for _ in range(4)
        ]
        assert guesses == [401, 401, 401, 429]


# -- injection and leaks -------------------------------------------------------------------


async def test_names_are_text_wherever_they_are_shown(app):
    await make(app, "root", 10)
    evil = '"><script>alert(1)</script>'
    await make(app, evil, 5)
    page = (await (await signed_in(app, "root")).get("/auth/users")).text
    assert "<script>alert" not in page
    own = await signed_in(app, evil)
    assert "<script>alert" not in (await own.get("/auth/account")).text
    typed = {"name": evil, "password": "wrong"}
    assert "<script>alert" not in (await browser_of(app).post("/auth/sign-in", form=typed)).text


async def test_names_with_control_characters_are_no_names(app):
    await make(app, "root", 10)
    admin = await signed_in(app, "root")
    for name in ("a\r\nSet-Cookie: x=y", "a\nb", "\x1b[31m", "a\u2028b", "a\x00"):
        assert (await admin.post("/auth/users/add", json={"name": name})).status == 400
        tried = await anybody(app).post("/auth/sign-in", json={"name": name, "password": "x"})
        assert tried.status == 401


async def test_nobody_writes_lines_into_the_log(app, caplog):
    caplog.set_level(logging.DEBUG, logger="pegboard")
    actor = Actor(client="192.0.2.1\nforged", agent="x")
    ada = await make(app, "ada")
    await accounts_of(app).add_key(ada.uid, title="robot", actor=actor)
    for line in caplog.messages:
        assert "\n" not in line


async def test_secrets_are_in_no_log_error_or_address(run_app, caplog):
    caplog.set_level(logging.DEBUG)
    async with run_app() as app:
        add_exports_http(app)
        root = await make(app, "root", 10)
        response = await browser_of(app).post(
            "/auth/sign-in", form={"name": "root", "password": PASSWORD, "next": "/x"}
        )
        browser = anybody(app, cookie=jar(response))
        pair = await tokens(app, "root")
        key = await accounts_of(app).add_key(root.uid, title="robot")
        code = await accounts_of(app).link("password", root.uid)
        secrets = [PASSWORD, key, code, *pair.values(), *jar(response).split("=")]
        secrets = [each for each in map(str, secrets) if len(each) > 20]
        answers = [
            response,
            await bearer(app, key + "x").get("/api/Bank/move"),
            await bearer(app, pair["access_token"] + "x").get("/api/Bank/move"),
            await anybody(app).post("/auth/link", json={"code": code, "password": "short"}),
            await browser_of(app).post(
                "/auth/link", form={"code": code + "x", "password": "short"}
            ),
            await anybody(app).post(
                "/auth/token", json={"refresh_token": pair["refresh_token"] + "x"}
            ),
            await browser_of(app).post(
                "/auth/sign-in", form={"name": "root", "password": PASSWORD * 2}
            ),
            await browser.get("/auth/account"),
            await browser.get("/auth/users"),
            await browser.get("/auth/audit"),
        ]
        stored = (reception_of(app)._database.path).read_bytes()
    for secret in secrets:
        assert secret not in caplog.text
        assert secret.encode() not in stored
        for answer in answers[1:]:
            assert secret.encode() not in answer.body or b'name="code"' in answer.body
        for answer in answers:
            assert secret not in (answer.headers.location or "")


async def test_our_pages_let_nothing_in_from_elsewhere(app):
    await make(app, "ada", 10)
    browser = await signed_in(app, "ada")
    for path in ("/auth/sign-in", "/auth/account", "/auth/users", "/auth/link", "/auth/nothing"):
        answer = await browser.get(path)
        policy = answer.headers.content_security_policy or ""
        assert "default-src 'none'" in policy, path
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers.x_content_type_options == "nosniff"
        assert answer.headers.referrer_policy == "no-referrer"
        if path != "/auth/nothing":
            assert answer.headers.cache_control == "no-store"
            assert "<script>" not in answer.text
            assert "style=" not in answer.text
            assert "http" not in answer.text.replace("http-equiv", "").partition("<body>")[0]

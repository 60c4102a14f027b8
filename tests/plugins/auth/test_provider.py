"""Signing in at an OpenID provider: a real one on a socket, and what has to be refused."""

import base64
import hmac
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit
from urllib.request import HTTPRedirectHandler, build_opener

import jwt
import pytest
from anyio import to_thread

from pegboard import App
from pegboard.testing import HttpResponse
from tests.plugins.auth.conftest import (
    RunApp,
    accounts_of,
    anybody,
    jar,
    make,
    set_cookies,
    signed_in,
)
from tests.servers.oidc import CLIENT, SECRET, OidcServer, running_oidc

pytestmark = pytest.mark.anyio


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


HERE = "https://app.example/board"
CALLBACK = "/auth/callback"


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *args: Any) -> None:
        return None


@pytest.fixture(scope="module")
def started() -> Iterator[OidcServer]:
    with running_oidc() as server:
        server.redirects = {HERE + CALLBACK}
        yield server


@pytest.fixture
def provider(started: OidcServer) -> OidcServer:
    started.user = {"sub": "u-1", "preferred_username": "Ada", "email": "a@b.example"}
    started.forge, started.sign = (lambda _: None), started.signed
    started.asked.clear()
    return started


@asynccontextmanager
async def running(run_app: RunApp, provider: OidcServer, **settings: Any) -> AsyncIterator[App]:
    house = {
        "issuer": provider.issuer,
        "client_id": CLIENT,
        "client_secret": SECRET,
        "title": "The <House>",
        **settings,
    }
    async with run_app(public_url=HERE, providers={"house": house}) as app:
        yield app


class Departure(NamedTuple):
    url: str
    cookie: str


async def leave(app: App, path: str = "/auth/provider", **fields: str) -> Departure:
    browser = fields.pop("browser", None) or anybody(app)
    response = await browser.post(path, json={"provider": "house", **fields})
    assert response.status == 200, response
    (kept,) = [each for name, each in set_cookies(response).items() if name.endswith("_trip")]
    assert "SameSite=Lax" in kept
    assert "HttpOnly" in kept
    return Departure(response.json()["result"]["data"]["url"], jar(response))


async def visit_provider(url: str) -> str:
    """Go there as a browser does; return the path and query with which it comes back."""

    def ask() -> str:
        try:
            build_opener(_Stay).open(url, timeout=10).close()
        except OSError as answer:
            where = answer.headers["location"]  # type: ignore[attr-defined]  # an HTTPError
            answer.close()  # type: ignore[attr-defined]  # the same
            return where
        raise AssertionError

    back = await to_thread.run_sync(ask)
    assert back.startswith(HERE + CALLBACK)
    return back.removeprefix(HERE)


async def come_back(app: App, path: str, cookie: str) -> HttpResponse:
    headers = {"cookie": cookie, "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    return await anybody(app, accept="text/html", **headers).get(path)


async def sign_in(app: App, **fields: str) -> HttpResponse:
    departure = await leave(app, **fields)
    return await come_back(app, await visit_provider(departure.url), departure.cookie)


async def who(app: App, response: HttpResponse) -> dict[str, Any]:
    session = await anybody(app, cookie=jar(response)).get("/auth/session")
    return session.json()["result"]["data"] if session.status == 200 else {}


async def test_somebody_unknown_gets_an_account_and_is_known_next_time(run_app, provider):
    async with running(run_app, provider, sign_up=True) as app:
        first = await sign_in(app, next="/notes?a=1")
        assert first.status == 200
        assert b'content="0; url=/notes?a=1"' in first.body, "a page of ours goes on"
        ada = await who(app, first)
        assert (ada["user_name"], ada["level"]) == ("Ada", 1)
        provider.user["preferred_username"] = "Grace"
        again = await who(app, await sign_in(app))
        assert (again["user_name"], again["user_id"]) == ("Ada", ada["user_id"])
        assert [each.name for each in await accounts_of(app).all()] == ["Ada"]


async def test_where_nobody_may_sign_up_somebody_unknown_stays_out(run_app, provider):
    async with running(run_app, provider) as app:
        response = await sign_in(app)
        assert response.status == 401
        assert b"nobody here is known by that account" in response.body
        assert not await accounts_of(app).all()


async def test_a_name_that_is_taken_gets_a_number_and_a_bad_one_is_mended(run_app, provider):
    async with running(run_app, provider, sign_up=True) as app:
        await make(app, "ada")
        assert (await who(app, await sign_in(app)))["user_name"] == "Ada 2"
        provider.user = {"sub": "u-2", "name": "\u202e\n\u3164"}
        assert (await who(app, await sign_in(app)))["user_name"] == "user"


async def test_a_checked_mail_address_leads_to_its_account_only_where_that_is_set(
    run_app, provider
):
    provider.user["email_verified"] = True
    async with running(run_app, provider, by_mail=False) as app:
        ada = await make(app, "ada")
        await accounts_of(app).set_mail(ada.uid, "A@b.example")
        assert (await sign_in(app)).status == 401
    async with running(run_app, provider, by_mail=True) as app:
        provider.user["email_verified"] = "true"  # a text is no word of the provider
        assert (await sign_in(app)).status == 401
        provider.user["email_verified"] = True
        assert (await who(app, await sign_in(app)))["user_id"] == ada.uid


async def test_an_account_is_connected_by_who_is_signed_in_and_by_nobody_else(run_app, provider):
    async with running(run_app, provider) as app:
        await make(app, "ada")
        await make(app, "eve")
        ada, eve = await signed_in(app, "ada"), await signed_in(app, "eve")
        refused = await anybody(app).post("/auth/account/connect", json={"provider": "house"})
        assert refused.status == 401
        foreign = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}
        response = await ada.post(
            "/auth/account/connect", json={"provider": "house"}, headers=foreign
        )
        assert response.status == 403
        departure = await leave(app, "/auth/account/connect", browser=ada)
        back = await visit_provider(departure.url)
        assert (await come_back(app, back, departure.cookie)).status == 200
        assert (await who(app, await sign_in(app)))["user_name"] == "ada"
        departure = await leave(app, "/auth/account/connect", browser=eve)
        back = await visit_provider(departure.url)
        assert (await come_back(app, back, departure.cookie)).status == 409
        page = (await ada.get("/auth/account", headers={"accept": "text/html"})).text
        assert "The &lt;House&gt;" in page
        assert "you may sign in with it" in page


async def test_a_reset_account_is_not_known_there_any_more(run_app, provider):
    async with running(run_app, provider, sign_up=True) as app:
        uid = (await who(app, await sign_in(app)))["user_id"]
        await accounts_of(app).disable(uid)
        assert (await sign_in(app)).status == 401
        await accounts_of(app).enable(uid)
        await accounts_of(app).reset(uid)
        assert (await who(app, await sign_in(app)))["user_id"] != uid


async def test_an_answer_is_taken_once_and_from_the_browser_that_left_alone(run_app, provider):
    async with running(run_app, provider, sign_up=True) as app:
        ours, theirs = await leave(app), await leave(app)
        back = await visit_provider(ours.url)
        assert (await come_back(app, back, theirs.cookie)).status == 401, "login of somebody else"
        assert (await come_back(app, back, "")).status == 401
        forged = ours.cookie[:-5] + "AAAAA"
        assert (await come_back(app, back, forged)).status == 401
        assert (await come_back(app, back, ours.cookie)).status == 200
        assert (await come_back(app, back, ours.cookie)).status == 401, "a code is good once"
        query = parse_qs(urlsplit(await visit_provider(ours.url)).query)
        for change in (
            {"iss": ["https://evil.example"]},
            {"iss": []},
            {"state": ["x"]},
            {"code": []},
        ):
            fields = {**query, **change}
            text = "&".join(f"{name}={each}" for name, some in fields.items() for each in some)
            assert (await come_back(app, f"{CALLBACK}?{text}", ours.cookie)).status == 401, change
        denied = f"{CALLBACK}?error=access_denied&state={query['state'][0]}"
        assert (await come_back(app, denied, ours.cookie)).status == 401


FORGERIES: dict[str, Callable[[dict[str, Any]], None]] = {
    "another nonce": lambda claims: claims.update(nonce="x"),
    "no nonce": lambda claims: claims.pop("nonce"),
    "another client": lambda claims: claims.update(aud="shop"),
    "several clients": lambda claims: claims.update(aud=[CLIENT, "shop"]),
    "made for another": lambda claims: claims.update(azp="shop"),
    "another issuer": lambda claims: claims.update(iss="https://evil.example"),
    "ended": lambda claims: claims.update(exp=claims["iat"] - 60, iat=claims["iat"] - 90),
    "from the future": lambda claims: claims.update(iat=claims["iat"] + 3600),
    "without an end": lambda claims: claims.pop("exp"),
    "without a subject": lambda claims: claims.pop("sub"),
}


async def test_an_id_token_that_is_not_for_this_sign_in_is_refused(run_app, provider):
    async with running(run_app, provider, sign_up=True) as app:
        for what, forge in FORGERIES.items():
            provider.forge = forge
            assert (await sign_in(app)).status == 401, what
        assert not await accounts_of(app).all()


async def test_an_id_token_that_the_provider_has_not_signed_is_refused(run_app, provider):
    public = json.dumps(provider.keys["keys"][0]).encode()
    stranger = OidcServer(1)

    def unsigned(claims: dict[str, Any]) -> str:
        head = encoded(b'{"alg":"none","kid":"k1"}')
        return f"{head}.{provider.signed(claims).split('.')[1]}."

    def with_secret(claims: dict[str, Any], secret: bytes) -> str:
        head = encoded(b'{"alg":"HS256","kid":"k1"}')
        signed = f"{head}.{encoded(json.dumps(claims).encode())}"
        return f"{signed}.{encoded(hmac.digest(secret, signed.encode(), 'sha256'))}"

    forgeries: list[Callable[[dict[str, Any]], str]] = [
        unsigned,
        lambda claims: with_secret(claims, public),
        lambda claims: with_secret(claims, SECRET.encode()),
        lambda claims: jwt.encode(claims, stranger.key, "RS256", headers={"kid": "k1"}),
        lambda claims: jwt.encode(claims, stranger.key, "RS256", headers={"kid": "other"}),
        lambda claims: provider.signed(claims)[:-4] + "AAAA",
        lambda _: "no.token.",
    ]
    async with running(run_app, provider, sign_up=True) as app:
        for forge in forgeries:
            provider.sign = forge
            assert (await sign_in(app)).status == 401
        assert not await accounts_of(app).all()


async def test_new_keys_of_the_provider_are_fetched_and_not_with_each_forgery(run_app, provider):
    async with running(run_app, provider, sign_up=True) as app:
        assert (await sign_in(app)).status == 200
        app.plugins.active["auth"].plugin._receptions[app].providers["house"]._keys_after = 0.0
        provider.rotate("k2", "ES256")
        try:
            assert (await sign_in(app)).status == 200
            stranger = OidcServer(1)
            provider.sign = lambda claims: jwt.encode(
                claims, stranger.key, "RS256", headers={"kid": "k9"}
            )
            for _ in range(3):
                assert (await sign_in(app)).status == 401
            assert provider.asked.count("/keys") == 2
        finally:
            provider.rotate("k1", "RS256")


async def test_a_provider_that_is_away_or_another_is_unavailable(run_app, provider):
    for issuer in ("http://127.0.0.1:9", f"{provider.issuer}/other"):
        async with running(run_app, provider, issuer=issuer) as app:
            response = await anybody(app).post("/auth/provider", json={"provider": "house"})
            assert response.status == 503
            assert SECRET not in response.text


async def test_the_sign_in_page_offers_the_provider_and_goes_there_by_a_page(run_app, provider):
    async with running(run_app, provider) as app:
        browser = anybody(app, accept="text/html")
        page = (await browser.get("/auth/sign-in")).text
        assert "Sign in with The &lt;House&gt;" in page
        form = {"provider": "house", "next": "https://evil.example"}
        page = {"accept": "text/html"}
        response = await browser.post("/auth/provider", form=form, headers=page)
        assert response.status == 200
        assert f'content="0; url={provider.issuer}/authorize?' in response.text.replace(
            "&amp;", "&"
        )
        unknown = await browser.post("/auth/provider", form={"provider": "x"})
        assert unknown.status == 404

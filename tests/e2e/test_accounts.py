"""The pages for accounts, in a real browser on a real server."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import pytest

from pegboard import App
from pegboard_auth import Accounts
from tests.e2e.browser import Browser, Page
from tests.served import served
from tests.servers.oidc import CLIENT, SECRET, running_oidc

PASSWORD = "correct horse battery"
CHEAP = {"argon2_memory": 64, "argon2_time": 1, "attempts_per_client": "1000/s"}
PAGES = ("/auth/sign-in", "/auth/link", "/auth/account", "/auth/users")


class Place(NamedTuple):
    app: App
    address: str

    def code(self, purpose: str, name: str | None = None) -> str:
        """Make a link, from outside of the loop that serves."""
        accounts = self.app.service(Accounts)

        async def make() -> str | None:
            if name is None:
                return await accounts.setup_code(time.time(), patience=0)
            return await accounts.link(purpose, (await accounts.find(name)).uid)

        return anyio.from_thread.run(make, token=self.app.token)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    settings = {**CHEAP, "attempts_per_account": "1000/s", "sign_up": True}
    config = {"plugins": {"auth": settings}}
    plugins = ["auth", "transport_http"]
    app = App("Board <1>", project=tmp_path, plugins=plugins, mods=[], config=config)

    @app.export(mod_name="notes", api=True, level=1, api_methods=["GET", "POST"])
    def mine() -> str:
        return "mine"

    with served(app) as address:
        yield Place(app, address)


def become_admin(page: Page, place: Place) -> None:
    page.goto(f"{place.address}/auth/link#{place.code('setup')}")
    page.fill("[name=name]", "Ada")
    page.fill("[name=password]", PASSWORD)
    page.press("Enter")
    page.wait_for("location.pathname === '/auth/account'")


def status_of(page: Page, place: Place, path: str, method: str = "GET") -> int:
    """Ask from the index page, since our own pages may not."""
    page.goto(f"{place.address}/")
    return page.evaluate(f"fetch({path!r}, {{method: {method!r}}}).then((answer) => answer.status)")


def test_the_first_administrator_invites_somebody_who_signs_in(
    page: Page, browser: Browser, place: Place
) -> None:
    page.goto(f"{place.address}/auth/link#{place.code('setup')}")
    page.wait_for("document.querySelector('[name=code]').value.startsWith('pbl_')")
    assert page.evaluate("location.href").endswith("/auth/link"), "the code is in no history"
    become_admin(page, place)
    assert status_of(page, place, "/api/notes/mine") == 200
    assert status_of(page, place, "/api/notes/mine", "POST") == 200
    assert page.evaluate("document.cookie") == "", "no script reads the cookie"
    page.goto(f"{place.address}/auth/account")
    page.click("nav a[href='/auth/users']")
    page.wait_for("location.pathname === '/auth/users'")
    page.fill("form.row [name=name]", "Bob")
    page.press("Enter")
    page.wait_for("document.querySelector('[role=status] code')")
    link = page.text("[role=status] code")
    assert link.startswith(f"{place.address}/auth/link#")
    with browser.page() as other:
        other.goto(link)
        other.fill("[name=password]", PASSWORD)
        other.press("Enter")
        other.wait_for("location.pathname === '/auth/account'")
        assert "Bob" in other.text("h1")
        assert status_of(other, place, "/auth/users") == 403
        page.goto(f"{place.address}/auth/users")
        page.click("button[aria-label='Disable: Bob']")
        page.wait_for("document.querySelector('[role=status]')?.innerText.includes('kept out')")
        assert status_of(other, place, "/api/notes/mine") == 401
    assert page.problems == []
    assert all(each.startswith((place.address, "data:")) for each in page.requests)


def test_signing_in_leads_back_and_what_is_wrong_is_said_where_it_is_read(
    page: Page, place: Place
) -> None:
    become_admin(page, place)
    page.click("nav button")
    page.wait_for("location.pathname === '/auth/sign-in'")
    page.goto(f"{place.address}/auth/users")
    assert page.evaluate("location.search") == "?next=/auth/users"
    page.fill("[name=name]", "ada")
    page.fill("[name=password]", "wrong")
    page.press("Enter")
    page.wait_for("document.querySelector('[role=alert]')")
    assert page.evaluate("document.activeElement.getAttribute('role')") == "alert"
    assert page.evaluate("document.querySelector('[name=name]').value") == "ada"
    page.fill("[name=password]", PASSWORD)
    page.press("Enter")
    page.wait_for("location.pathname === '/auth/users'")


def test_somebody_unknown_makes_an_account(page: Page, place: Place) -> None:
    page.goto(f"{place.address}/auth/sign-in")
    page.click("a[href='/auth/sign-up']")
    page.wait_for("location.pathname === '/auth/sign-up'")
    page.fill("[name=name]", "Zoë")
    page.fill("[name=password]", "short")
    page.evaluate("document.querySelector('form').noValidate = true")
    page.press("Enter")
    page.wait_for("document.querySelector('[role=alert]')")
    page.fill("[name=password]", PASSWORD)
    page.press("Enter")
    page.wait_for("location.pathname === '/auth/account'")
    assert "Zoë" in page.text("h1")
    assert status_of(page, place, "/api/notes/mine") == 200
    assert status_of(page, place, "/auth/users") == 403


def test_a_key_is_shown_once_and_a_session_that_was_ended_is_out(
    page: Page, browser: Browser, place: Place
) -> None:
    become_admin(page, place)
    page.fill("[name=title]", "robot <b>")
    page.press("Enter")
    page.wait_for("document.querySelector('[role=status] code')?.innerText.startsWith('pbk_')")
    key = page.text("[role=status] code")
    page.goto(f"{place.address}/auth/account")
    assert key not in page.text("main")
    assert "robot <b>" in page.text("main")
    with browser.page() as other:
        other.goto(f"{place.address}/auth/sign-in")
        other.fill("[name=name]", "ada")
        other.fill("[name=password]", PASSWORD)
        other.press("Enter")
        other.wait_for("location.pathname === '/auth/account'")
        page.goto(f"{place.address}/auth/account")
        page.click("form[action='/auth/account/end-others'] button")
        page.wait_for("document.querySelector('[role=status]')")
        assert status_of(other, place, "/api/notes/mine") == 401
        other.goto(f"{place.address}/auth/account")
        assert other.evaluate("location.pathname") == "/auth/sign-in"
    assert status_of(page, place, "/api/notes/mine") == 200
    assert page.problems == []


def test_another_site_cannot_act_for_the_user(page: Page, place: Place) -> None:
    """Another port is another origin, and the same site: its requests bring the cookie."""
    become_admin(page, place)
    other = App("evil", plugins=["transport_http"], mods=[])
    with served(other) as evil:
        page.goto(evil)
        sent = f"fetch('{place.address}/api/notes/mine', {{method: 'POST', mode: 'no-cors', "
        page.evaluate(f"{sent} credentials: 'include'}}).then(() => 1, () => 0)")
        page.evaluate(
            f"fetch('{place.address}/web/logoutS', {{method: 'POST', mode: 'no-cors', "
            "credentials: 'include'}).then(() => 1, () => 0)"
        )
        page.goto(f"{place.address}/auth/account")
        assert page.evaluate("location.pathname") == "/auth/account", "still signed in"


def test_an_account_elsewhere_signs_in_with_a_cookie_that_no_other_site_shows(
    page: Page, tmp_path: Path
) -> None:
    """The provider is another site: it leads back here, and still the session is seen."""
    with running_oidc() as provider, socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
        free.close()
        here = f"http://127.0.0.1:{port}"
        provider.redirects = {f"{here}/auth/callback"}
        house: dict[str, Any] = {"issuer": provider.issuer.replace("127.0.0.1", "localhost")}
        provider.issuer = house["issuer"]
        house |= {"client_id": CLIENT, "client_secret": SECRET, "sign_up": True}
        settings = {**CHEAP, "public_url": here, "providers": {"house": house}}
        config = {"plugins": {"auth": settings}}
        app = App("Board", project=tmp_path, plugins=["auth"], mods=[], config=config)
        with served(app, port):
            page.goto(f"{here}/auth/users")
            assert page.evaluate("location.pathname") == "/auth/sign-in"
            page.click("form[action='/auth/provider'] button")
            page.wait_for("location.pathname === '/auth/users'")
            assert "only administrators" in page.text("main")
            page.goto(f"{here}/auth/account")
            assert "Ada" in page.text("h1")
            assert page.evaluate("document.cookie") == ""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_can_be_read_and_used_by_everyone(
    browser: Browser, place: Place, scheme: str
) -> None:
    with browser.page(scheme=scheme) as page:
        become_admin(page, place)
        for path in PAGES:
            for width in (1200, 360):
                page.show(width=width, scheme=scheme)
                page.goto(place.address + path)
                assert page.evaluate(
                    "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
                ), (path, width)
            for role, name in page.accessible():
                if role in {"textbox", "combobox", "button", "link", "spinbutton", "navigation"}:
                    assert name, (path, role)
            assert page.evaluate("document.querySelectorAll('h1, h2').length") > 0
            assert page.evaluate("document.documentElement.lang") == "en"
        assert page.problems == []

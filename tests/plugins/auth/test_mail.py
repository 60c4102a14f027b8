"""Links by mail, to a real server that insists on TLS and a password."""

import email
import email.policy
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword
from anyio import to_thread

from pegboard import App
from pegboard.errors import PluginError, UnavailableError
from pegboard_auth._mail import Mailer, MailServer
from tests.plugins.auth.conftest import (
    PASSWORD,
    RunApp,
    accounts_of,
    anybody,
    jar,
    make,
    reception_of,
    signed_in,
)

pytestmark = pytest.mark.anyio

HERE = "https://app.example"


class MailBox:
    """Takes mail from who knows the password; `kept` is what has come."""

    def __init__(self) -> None:
        self.kept: list[email.message.EmailMessage] = []
        self.url = ""

    async def handle_DATA(  # noqa: N802 - the name that the server calls
        self, server: Any, session: Any, envelope: Envelope
    ) -> str:
        assert isinstance(envelope.content, bytes)
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.kept.append(message)
        return "250 taken"

    def check(self, server: Any, session: Any, envelope: Any, how: str, data: Any) -> AuthResult:
        known = isinstance(data, LoginPassword) and (data.login, data.password) == (b"b@x", b"p w")
        return AuthResult(success=known, handled=False)


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Iterator[MailBox]:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    box = MailBox()
    controller = Controller(
        box,
        hostname="127.0.0.1",
        port=free_port(),
        tls_context=context,
        require_starttls=True,
        authenticator=box.check,
        auth_required=True,
    )
    controller.start()
    box.url = f"smtp://b%40x:p%20w@127.0.0.1:{controller.port}"
    yield box
    controller.stop()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def running(run_app: RunApp, box: MailBox, **more: Any) -> AbstractAsyncContextManager[App]:
    settings = {"mail_url": box.url, "mail_from": "Bö <b@x.example>", "public_url": HERE}
    return run_app(**{**settings, **more})


async def delivered(box: MailBox, count: int) -> email.message.EmailMessage:
    with anyio.fail_after(10):
        while len(box.kept) < count:
            await to_thread.run_sync(lambda: None)
    return box.kept[count - 1]


def code_in(message: email.message.EmailMessage) -> str:
    found = re.search(rf"{HERE}/auth/link#(\S+)", message.get_content())
    assert found is not None
    return found[1]


async def test_who_has_forgotten_their_password_gets_in_by_mail(run_app, box):
    async with running(run_app, box) as app:
        ada = await make(app, "ada")
        await accounts_of(app).set_mail(ada.uid, "ada@x.example")
        for count, name in enumerate(("ada", "ADA@x.example"), 1):
            answer = await anybody(app).post("/auth/send-link", json={"name": name})
            assert answer.status == 200
            message = await delivered(box, count)
        assert message["to"] == "ada@x.example"
        assert message["subject"] == "Sign in at board"
        code = code_in(message)
        fields = {"code": code, "password": "a new long password"}
        answer = await anybody(app).post("/auth/link", json=fields)
        assert answer.status == 200
        assert (await anybody(app, cookie=jar(answer)).get("/auth/session")).status == 200
        login = {"name": "ada", "password": "a new long password"}
        assert (await anybody(app).post("/auth/sign-in", json=login)).status == 200
        assert (await anybody(app).post("/auth/link", json=fields)).status == 401, "good once"


async def test_nobody_can_tell_whether_there_was_somebody_to_write_to(run_app, box):
    async with running(run_app, box, mails_per_account="1/h") as app:
        accounts = accounts_of(app)
        ada, gone = await make(app, "ada"), await make(app, "gone")
        await make(app, "nowhere")
        await accounts.set_mail(ada.uid, "ada@x.example")
        await accounts.set_mail(gone.uid, "gone@x.example")
        await accounts.disable(gone.uid)
        names = ("ada", "ada", "gone", "nowhere", "nobody")
        answers = [await anybody(app).post("/auth/send-link", json={"name": n}) for n in names]
        assert len({(each.status, each.text) for each in answers}) == 1
    assert [each["to"] for each in box.kept] == ["ada@x.example"], "enough for one hour"


async def test_an_address_counts_when_its_link_was_opened(run_app, box):
    async with running(run_app, box) as app:
        await make(app, "ada")
        await make(app, "eve")
        ada, eve = await signed_in(app, "ada"), await signed_in(app, "eve")
        fields = {"mail": "ada@x.example", "current": "wrong"}
        assert (await ada.post("/auth/account/mail", json=fields)).status == 401
        for count, browser in enumerate((ada, eve), 1):
            fields = {"mail": "ada@x.example", "current": PASSWORD}
            assert (await browser.post("/auth/account/mail", json=fields)).status == 200
            await delivered(box, count)
        assert (await accounts_of(app).find("ada")).mail is None
        codes = [code_in(each) for each in box.kept]
        answer = await anybody(app).post("/auth/link", json={"code": codes[0]})
        assert answer.status == 200
        assert not answer.headers.get("set-cookie"), "it signs nobody in"
        assert (await accounts_of(app).find("ada")).mail == "ada@x.example"
        assert (await anybody(app).post("/auth/link", json={"code": codes[1]})).status == 409


async def test_an_invitation_is_sent(run_app, box):
    async with running(run_app, box) as app:
        await make(app, "root", 10)
        admin = await signed_in(app, "root")
        fields = {"name": "ada", "level": 1, "mail": "ada@x.example"}
        assert (await admin.post("/auth/users/add", json=fields)).status == 200
        code = code_in(await delivered(box, 1))
        answer = await anybody(app).post("/auth/link", json={"code": code, "password": PASSWORD})
        assert answer.status == 200


@pytest.mark.parametrize(
    "mail", ["a@b\nBcc: c@d", "a b@c", "a", "a@", "a@b,c@d", "<a@b>", "\x00@b"]
)
async def test_what_is_no_address_is_refused(run_app, box, mail):
    async with running(run_app, box) as app:
        await make(app, "ada")
        fields = {"mail": mail, "current": PASSWORD}
        answer = await (await signed_in(app, "ada")).post("/auth/account/mail", json=fields)
        assert answer.status == 400
    assert not box.kept


async def test_without_a_server_nobody_waits_for_mail(run_app):
    async with run_app() as app:
        answer = await anybody(app).post("/auth/send-link", json={"name": "ada"})
        assert answer.status == 403
        assert "no mail is sent here" in answer.text
        page = await anybody(app, accept="text/html").get("/auth/sign-in")
        assert "/auth/send-link" not in page.text


async def test_a_server_that_cannot_be_trusted_gets_no_password_and_no_mail(
    box, monkeypatch, tmp_path
):
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "other.pem"))
    with pytest.raises(UnavailableError, match="SSLCertVerificationError") as refused:
        await Mailer(MailServer.parse(box.url), "b@x.example").send("a@x.example", "Hi", "text")
    assert "p w" not in str(refused.value)
    assert not box.kept


async def test_a_wrong_password_or_a_server_that_is_away_is_in_the_log_without_secrets(
    run_app, box, caplog
):
    for url in (box.url.replace("p%20w", "guess"), "smtp://u:guess@127.0.0.1:9"):
        async with running(run_app, box, mail_url=url) as app:
            reception_of(app).post.send("ada@x.example", "sign_in", "pbl_secret")
    assert caplog.text.count("did not take a mail") == 2
    assert "guess" not in caplog.text
    assert "pbl_secret" not in caplog.text


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"mail_url": "http://x"}, "a mail server is smtp://"),
        ({"mail_url": "smtp+plain://u:p@x"}, "would show the password"),
        ({"mail_url": "smtp://x"}, "mail_url needs mail_from and public_url"),
    ],
)
async def test_settings_that_cannot_work_are_refused(run_app, settings, reason):
    with pytest.raises(PluginError, match=reason):
        async with run_app(**settings):
            pass

"""Sending mail: the one module that knows smtplib. Sources: RFC 5321, RFC 6409, RFC 8314."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast
from urllib.parse import unquote, urlsplit

import anyio
import msgspec
from anyio import to_thread

from pegboard.errors import UnavailableError

if TYPE_CHECKING:
    from smtplib import SMTP

__all__ = ["MailServer", "Mailer"]

TIMEOUT = 10.0  # seconds for each answer of the server
AT_ONCE = 2  # connections to it

_PORTS = {"smtp": 587, "smtps": 465, "smtp+plain": 25}


class MailServer(msgspec.Struct, frozen=True, kw_only=True):
    """Where mail is handed in.

    Attributes:
        kind: `smtp` begins TLS with STARTTLS, `smtps` with the connection, `smtp+plain` never.
        host: Name of the server.
        port: Its port.
        user: Who signs in there, empty for nobody.
        password: Their password.
    """

    kind: Literal["smtp", "smtps", "smtp+plain"]
    host: str
    port: int
    user: str = ""
    password: str = ""

    @classmethod
    def parse(cls, url: str) -> MailServer:
        """Read `smtp://user:password@host:587`.

        Raises:
            ValueError: If it is malformed, or would send a password that everybody can read.
        """
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/"):
            msg = "a mail server is smtp://, smtps:// or smtp+plain:// with user:password@host:port"
            raise ValueError(msg)
        kind = cast("Literal['smtp', 'smtps', 'smtp+plain']", parts.scheme)
        if kind == "smtp+plain" and parts.username:
            msg = "smtp+plain:// would show the password to everybody on the way: use smtp://"
            raise ValueError(msg)
        return cls(
            kind=kind,
            host=parts.hostname,
            port=parts.port or _PORTS[kind],
            user=unquote(parts.username or ""),
            password=unquote(parts.password or ""),
        )

    def __repr__(self) -> str:
        return f"<MailServer {self.kind}://{self.host}:{self.port}>"


class Mailer:
    """Hands mail to a server.

    Args:
        server: The server.
        sender: Who the mail is from, such as `Board <board@example.org>`.
    """

    def __init__(self, server: MailServer, sender: str) -> None:
        self._server = server
        self._sender = sender
        self._limiter = anyio.CapacityLimiter(AT_ONCE)

    async def send(self, to: str, subject: str, text: str) -> None:
        """Hand in a mail.

        Raises:
            UnavailableError: If the server does not take it.
        """
        await to_thread.run_sync(self._send, to, subject, text, limiter=self._limiter)

    def _send(self, to: str, subject: str, text: str) -> None:
        from email.message import EmailMessage
        from email.utils import formatdate, make_msgid
        from smtplib import SMTPException

        message = EmailMessage()  # which refuses line breaks in headers
        message["From"], message["To"], message["Subject"] = self._sender, to, subject
        message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="pegboard.invalid")
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(text)
        try:
            with self._connected() as connection:
                connection.send_message(message)
        except (SMTPException, OSError) as error:
            why = f"{self._server!r} did not take a mail: {type(error).__name__}"
            raise UnavailableError(why, retry_after=60.0) from error

    def _connected(self) -> SMTP:
        from smtplib import SMTP, SMTP_SSL
        from ssl import create_default_context

        server = self._server
        if server.kind == "smtps":
            tls = create_default_context()
            connection: SMTP = SMTP_SSL(server.host, server.port, timeout=TIMEOUT, context=tls)
        else:
            connection = SMTP(server.host, server.port, timeout=TIMEOUT)
        try:
            if server.kind == "smtp":
                connection.starttls(context=create_default_context())
            if server.user:
                connection.login(server.user, server.password)
        except BaseException:
            connection.close()
            raise
        return connection

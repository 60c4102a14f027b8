"""One-time links by mail, written and sent in the background."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pegboard.errors import ForbiddenError, UnavailableError
from pegboard_auth._address import link_url
from pegboard_auth._mail import Mailer, MailServer

if TYPE_CHECKING:
    from pegboard import App
    from pegboard_auth._link_table import Purpose
    from pegboard_auth.config import AuthConfig

__all__ = ["LinkPost"]

WAITING_MAX = 100  # mails; more are not sent

_SUBJECTS = {
    "password": "Set your password",
    "sign_in": "Sign in",
    "mail": "Confirm your mail address",
}
_TEXT = """\
{what} at {app}:

{link}

The link is good once, for {minutes} minutes. If you have not asked for it, do nothing: nothing
happens without it.
"""

_logger = logging.getLogger("pegboard.auth")


class LinkPost:
    """Sends links.

    Args:
        app: The app.
        config: The settings.
    """

    def __init__(self, app: App, config: AuthConfig) -> None:
        self._app = app
        self._config = config
        self._waiting = 0
        self._mailer = (
            Mailer(MailServer.parse(config.mail_url), config.mail_from) if config.mail_url else None
        )

    @property
    def is_open(self) -> bool:
        """Whether mail can be sent."""
        return self._mailer is not None

    def check(self) -> None:
        """Let nobody wait for mail that does not come.

        Raises:
            ForbiddenError: If no mail server is set.
        """
        if self._mailer is None:
            msg = "no mail is sent here: an administrator can make a link for you"
            raise ForbiddenError(msg)

    def send(self, to: str, purpose: Purpose, code: str) -> None:
        """Send a link some time soon: from the time nobody can tell whether there was one."""
        if self._waiting >= WAITING_MAX:
            _logger.warning("%d mails wait: one was not sent", self._waiting)
            return
        self._waiting += 1
        self._app.spawn(self._deliver, to, purpose, code, name="mail")

    async def _deliver(self, to: str, purpose: Purpose, code: str) -> None:
        try:
            await self.deliver(to, purpose, code)
        except UnavailableError as error:
            _logger.warning("%s", error)
        finally:
            self._waiting -= 1

    async def deliver(self, to: str, purpose: Purpose, code: str) -> None:
        """Send a link now.

        Raises:
            ForbiddenError: If no mail server is set.
            UnavailableError: If the server does not take it.
        """
        self.check()
        subject = f"{_SUBJECTS[purpose]} at {self._app.name}"
        text = _TEXT.format(
            what=_SUBJECTS[purpose],
            app=self._app.name,
            link=link_url(self._config.public_url, code),
            minutes=int(self._config.link_lifetime // 60),
        )
        if self._mailer is not None:
            await self._mailer.send(to, " ".join(subject.split()), text)

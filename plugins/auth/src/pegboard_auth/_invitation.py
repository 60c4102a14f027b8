"""One-time links: to make the first administrator, set a password, sign in, confirm an address."""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING

from pegboard.errors import TooManyRequestsError, UnauthorizedError
from pegboard_auth import _account_table as accounts
from pegboard_auth import _key_table as keys
from pegboard_auth import _link_table as links
from pegboard_auth import _provider_table as providers
from pegboard_auth import _session_table as sessions
from pegboard_auth._admission import Admission
from pegboard_auth._attempt_table import take
from pegboard_auth._desk import NOBODY
from pegboard_auth._opaque import Opaque
from pegboard_auth._policy import check_mail, check_name
from pegboard_auth._trail import Actor, record

if TYPE_CHECKING:
    from pegboard_auth._link_table import Link, Purpose
    from pegboard_auth._record import Account
    from pegboard_database import Changes

__all__ = ["Invitation"]

BAD_LINK = "this link is not good: it was used, has ended, or is not complete; ask for another one"


class Invitation(Admission):
    """Makes and takes links."""

    async def link(self, purpose: Purpose, uid: str | None, *, actor: Actor = NOBODY) -> str:
        """Make a one-time link; return its code, which is secret and known this once.

        Raises:
            NotFoundError: If there is no such account.
        """

        def work(tables: Changes) -> Opaque:
            now = time()
            if uid is not None:
                accounts.get_account(tables, uid)
            code = links.add_link(tables, purpose, uid, now + self._config.link_lifetime)
            record(tables, "link_made", now, uid=uid or "", actor=actor, detail=purpose)
            return code

        return (await self._database.awrite(work)).text

    async def reset(self, uid: str, *, actor: Actor = NOBODY) -> str:
        """Take away all that lets into an account; return the code of a link for a new password.

        Its sessions, API keys, links, password and identities at providers are good no more. If it
        was the last that could administer, whoever has the terminal is offered to become one.

        Raises:
            NotFoundError: If there is no such account.
        """

        def work(tables: Changes) -> Opaque:
            now = time()
            accounts.get_account(tables, uid)
            sessions.end_sessions(tables, uid, "reset", now)
            keys.end_keys(tables, uid, now)
            accounts.set_password(tables, uid, None)
            providers.end_identities(tables, uid)
            links.end_links(tables, uid)
            record(tables, "account_reset", now, uid=uid, actor=actor)
            return links.add_link(tables, "password", uid, now + self._config.link_lifetime)

        return (await self._change(work)).text

    async def setup_code(self, now: float, *, patience: float) -> str | None:
        """Make a link for the first administrator; return its code.

        Args:
            now: Seconds since 1970.
            patience: Seconds for which a link that another worker has made is enough.

        Returns:
            None if there is an administrator, or another worker has made a link just now.
        """
        lifetime = self._config.link_lifetime

        def work(tables: Changes) -> Opaque | None:
            newest = tables.value("select max(expires_at) from links where purpose = 'setup'")
            is_new = newest is not None and newest > now + lifetime - patience
            if is_new or accounts.has_admin(tables):
                return None
            record(tables, "link_made", now, actor=NOBODY, detail="setup")
            return links.add_link(tables, "setup", None, now + lifetime)

        code = await self._database.awrite(work)
        return None if code is None else code.text

    async def look_at_link(self, code: str) -> Link:
        """Return what a one-time link is for, without using it.

        Raises:
            UnauthorizedError: If it is not good.
        """
        parsed = _parsed_link(code)
        now = time()
        found = await self._database.aread(lambda tables: links.find_link(tables, parsed, now))
        if found is None:
            raise UnauthorizedError(BAD_LINK)
        return found

    async def use_link(
        self, code: str, *, name: str = "", password: str = "", actor: Actor = NOBODY
    ) -> Account:
        """Use a one-time link for whatever it is for.

        Args:
            code: The code of the link.
            name: Name of the first administrator.
            password: The new password, where the link is for one; with a link to sign in, too, for
                whom has forgotten theirs.
            actor: Who does it.

        Raises:
            UnauthorizedError: If the link is not good.
            InputError: If name or password are not taken; the link stays good.
            ConflictError: If the name or address is taken; the link stays good.
        """
        link = await self.look_at_link(code)
        shown = check_name(name) if link.uid is None else (await self.get(link.uid)).name
        wants_password = link.purpose in {"setup", "password"}
        may_set_one = wants_password or (link.purpose == "sign_in" and password != "")
        hashed = await self._hash(shown, password) if may_set_one else ""

        def work(tables: Changes) -> Account:
            now = time()
            used = links.use_link(tables, _parsed_link(code), now)
            if used is None:
                raise UnauthorizedError(BAD_LINK)
            if used.uid is None:
                account = self._first(tables, shown, hashed, now)
            else:
                account = _used(tables, used, hashed, now)
            record(tables, "link_used", now, uid=account.uid, actor=actor, detail=used.purpose)
            return account

        return await self._change(work)

    def _first(self, tables: Changes, name: str, hashed: str, now: float) -> Account:
        if accounts.has_admin(tables):  # by another way since the link was printed
            raise UnauthorizedError(BAD_LINK)
        tables.execute("delete from links where purpose = 'setup'")
        return accounts.add_account(tables, name, level=10, password=hashed, now=now)

    async def ask_for_link(self, name: str, *, actor: Actor = NOBODY) -> tuple[Account, str] | None:
        """Make a link for whoever has forgotten something, if they can get mail.

        Args:
            name: Their name or mail address.
            actor: Who asks.

        Returns:
            The account and the code of the link; None where there is nobody to send it to, or they
            were sent enough.

        Raises:
            TooManyRequestsError: If too many were asked for from this address.
        """
        await self._counted(name, lambda _: None, actor)

        def work(tables: Changes) -> tuple[Account, Opaque] | None:
            now = time()
            account = accounts.find_reachable(tables, name)
            if account is None or take(tables, [(f"mail {account.uid}", self._mails)], now):
                return None
            code = links.add_link(tables, "sign_in", account.uid, now + self._config.link_lifetime)
            record(tables, "link_made", now, uid=account.uid, actor=actor, detail="sign_in by mail")
            return account, code

        made = await self._database.awrite(work)
        return None if made is None else (made[0], made[1].text)

    async def link_to_mail(self, uid: str, mail: str, *, actor: Actor = NOBODY) -> str:
        """Return the code of a link that, sent to a mail address, shows whose it is.

        Raises:
            InputError: If it is no address.
            TooManyRequestsError: If too many were made.
        """
        address = check_mail(mail)

        def work(tables: Changes) -> Opaque:
            now = time()
            wait = take(tables, [(f"mail {uid}", self._mails)], now)
            if wait:
                msg = "too many mails were sent; wait a little"
                raise TooManyRequestsError(msg, retry_after=wait)
            until = now + self._config.link_lifetime
            record(tables, "link_made", now, uid=uid, actor=actor, detail="mail")
            return links.add_link(tables, "mail", uid, until, detail=address)

        return (await self._database.awrite(work)).text


def _parsed_link(code: str) -> Opaque:
    link = Opaque.parse(code.strip(), "pbl")
    if link is None:
        raise UnauthorizedError(BAD_LINK)
    return link


def _used(tables: Changes, link: Link, hashed: str, now: float) -> Account:
    account = accounts.get_account(tables, link.uid or "")
    if account.disabled:
        raise UnauthorizedError(BAD_LINK)
    if link.purpose == "mail":
        return accounts.set_mail(tables, account.uid, link.detail)
    if hashed:
        accounts.set_password(tables, account.uid, hashed)
        sessions.end_sessions(tables, account.uid, "new password", now)
    return account

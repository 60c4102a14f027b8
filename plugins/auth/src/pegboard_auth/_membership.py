"""Accounts: who there is, and what they may."""

from __future__ import annotations

from time import time
from typing import TYPE_CHECKING

from pegboard_auth import _account_table as accounts
from pegboard_auth import _key_table as keys
from pegboard_auth import _session_table as sessions
from pegboard_auth._desk import NOBODY, Desk
from pegboard_auth._policy import check_level, check_mail, check_name
from pegboard_auth._trail import Actor, events, record

if TYPE_CHECKING:
    from pegboard_auth._record import Account, AuditEvent
    from pegboard_database import Changes

__all__ = ["Membership"]


class Membership(Desk):
    """Makes, finds and changes accounts."""

    async def all(self) -> list[Account]:
        """Return all accounts, by name."""
        return await self._database.aread(accounts.all_accounts)

    async def get(self, uid: str) -> Account:
        """Return an account.

        Raises:
            NotFoundError: If there is none.
        """
        return await self._database.aread(lambda tables: accounts.get_account(tables, uid))

    async def find(self, name: str) -> Account:
        """Return the account of a name.

        Raises:
            NotFoundError: If there is none.
        """
        return await self._database.aread(lambda tables: accounts.find_account(tables, name))

    async def audit(self, limit: int = 100, before: int | None = None) -> list[AuditEvent]:
        """Return the newest events of the audit trail, those before a number where one is given."""
        return await self._database.aread(lambda tables: events(tables, limit, before))

    async def has_admin(self) -> bool:
        """Whether somebody can administer."""
        return await self._database.aread(accounts.has_admin)

    async def add(
        self,
        name: str,
        *,
        level: int = 1,
        password: str | None = None,
        mail: str | None = None,
        actor: Actor = NOBODY,
    ) -> Account:
        """Make an account; without a password it needs a link, see `link`, to set one.

        Raises:
            InputError: If name, level, password or mail address are not taken.
            ConflictError: If the name or the address is taken already.
        """
        shown, level = check_name(name), check_level(level)
        address = None if mail is None else check_mail(mail)
        hashed = None if password is None else await self._hash(shown, password)

        def work(tables: Changes) -> Account:
            account = accounts.add_account(
                tables, shown, level=level, password=hashed, now=(now := time())
            )
            if address is not None:
                account = accounts.set_mail(tables, account.uid, address)
            detail = f"{shown}, level {level}"
            record(tables, "account_added", now, uid=account.uid, actor=actor, detail=detail)
            return account

        return await self._database.awrite(work)

    async def set_level(self, uid: str, level: int, *, actor: Actor = NOBODY) -> Account:
        """Change a level; open sessions have it within a second.

        Raises:
            NotFoundError: If there is no such account.
            InputError: If there is no such level, or nobody could administer any more.
        """
        check_level(level)

        def work(tables: Changes) -> Account:
            account = accounts.set_level(tables, uid, level, now=(now := time()))
            record(tables, "level_changed", now, uid=uid, actor=actor, detail=f"to {level}")
            return account

        return await self._change(work)

    async def disable(self, uid: str, *, actor: Actor = NOBODY) -> Account:
        """Keep an account out: its sessions and API keys end within a second, for good.

        Raises:
            NotFoundError: If there is no such account.
            InputError: If nobody could administer any more.
        """

        def work(tables: Changes) -> Account:
            account = accounts.set_disabled(tables, uid, disabled=True, now=(now := time()))
            sessions.end_sessions(tables, uid, "disabled", now)
            keys.end_keys(tables, uid, now)
            record(tables, "account_disabled", now, uid=uid, actor=actor)
            return account

        return await self._change(work)

    async def enable(self, uid: str, *, actor: Actor = NOBODY) -> Account:
        """Let a disabled account in again.

        Raises:
            NotFoundError: If there is no such account.
        """

        def work(tables: Changes) -> Account:
            account = accounts.set_disabled(tables, uid, disabled=False, now=(now := time()))
            record(tables, "account_enabled", now, uid=uid, actor=actor)
            return account

        return await self._change(work)

    async def set_mail(self, uid: str, mail: str | None, *, actor: Actor = NOBODY) -> Account:
        """Note where an account gets mail, on the word of who calls; None for nowhere.

        Raises:
            NotFoundError: If there is no such account.
            InputError: If it is no address.
            ConflictError: If another account has it.
        """
        address = None if mail is None else check_mail(mail)

        def work(tables: Changes) -> Account:
            account = accounts.set_mail(tables, uid, address)
            record(tables, "mail_changed", time(), uid=uid, actor=actor)
            return account

        return await self._change(work)

    async def rotate_keys(self, *, grace: float, actor: Actor = NOBODY) -> int:
        """Let a new key sign; return how many older ones are good still.

        Args:
            grace: Seconds that what was signed until now stays good; a session that is in use is
                signed anew meanwhile. 0 ends all sessions: for when the keys were copied.
            actor: Who does it.

        Raises:
            ConfigError: If the keys cannot be written.
        """

        def work(tables: Changes) -> int:
            now = time()
            older = self._ring.rotate(now, grace=grace)  # here, since nobody else writes meanwhile
            if not grace:
                for each in accounts.all_accounts(tables):
                    sessions.end_sessions(tables, each.uid, "new signing key", now)
            record(tables, "keys_rotated", now, actor=actor, detail=f"{older} older")
            return older

        return await self._change(work)

"""Accounts, as mods and our own pages use them."""

from __future__ import annotations

from collections.abc import Sequence
from time import time
from typing import TYPE_CHECKING

from pegboard.errors import InputError
from pegboard_auth import _account_table as accounts
from pegboard_auth import _key_table as keys
from pegboard_auth._desk import NOBODY
from pegboard_auth._invitation import Invitation
from pegboard_auth._opaque import Opaque
from pegboard_auth._policy import check_level, check_name
from pegboard_auth._scope_rule import check_scopes
from pegboard_auth._trail import Actor, record

if TYPE_CHECKING:
    from pegboard_auth._record import KeyRecord
    from pegboard_database import Changes

__all__ = ["Accounts"]

KEY_LIFETIME_MAX = 10 * 365 * 86_400.0  # seconds


class Accounts(Invitation):
    """Who may sign in: `app.service(Accounts, "pegboard-auth")`.

    Every change tells the other workers, and is in the audit trail, in one transaction.
    """

    async def keys(self, uid: str) -> list[KeyRecord]:
        """Return the API keys of an account."""
        return await self._database.aread(lambda tables: keys.keys_of(tables, uid))

    async def add_key(
        self,
        uid: str,
        *,
        title: str,
        level: int | None = None,
        scopes: Sequence[str] = (),
        lifetime: float | None = None,
        actor: Actor = NOBODY,
    ) -> str:
        """Make an API key; return its text, which is secret and known this once.

        Args:
            uid: The account.
            title: What its owner calls it.
            level: Highest level that it gives, that of the account by default.
            scopes: What it may call, such as `Board.read` or `Board.*`; none for all.
            lifetime: Seconds after which it ends, None for never.
            actor: Who does it.

        Raises:
            NotFoundError: If there is no such account.
            InputError: If something of it is not taken, or the account has too many keys.
        """
        shown, allowed = check_name(title), check_scopes(scopes)
        if lifetime is not None and not 0 < lifetime <= KEY_LIFETIME_MAX:
            msg = "a key lasts for more than no time, and for ten years at most"
            raise InputError(msg)

        def work(tables: Changes) -> Opaque:
            now = time()
            most = accounts.get_account(tables, uid).level
            key = keys.add_key(
                tables,
                uid,
                title=shown,
                level=most if level is None else min(check_level(level), most),
                scopes=allowed,
                expires_at=None if lifetime is None else now + lifetime,
                most=self._config.max_keys,
                now=now,
            )
            record(tables, "key_added", now, uid=uid, actor=actor, detail=f"{key.id} {shown}")
            return key

        return (await self._database.awrite(work)).text

    async def end_key(self, uid: str, key_id: str, *, actor: Actor = NOBODY) -> bool:
        """Delete an API key, everywhere within a second; False if there is none of that id."""

        def work(tables: Changes) -> bool:
            now = time()
            ended = keys.end_key(tables, uid, key_id, now)
            if ended:
                record(tables, "key_ended", now, uid=uid, actor=actor, detail=key_id)
            return ended

        return await self._change(work)

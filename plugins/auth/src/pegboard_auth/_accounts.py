"""Accounts, as mods and our own pages use them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import time
from typing import TYPE_CHECKING, TypeVar

import msgspec

from pegboard.errors import InputError, TooManyRequestsError, UnauthorizedError
from pegboard_auth import _account_table as accounts
from pegboard_auth import _key_table as keys
from pegboard_auth import _link_table as links
from pegboard_auth import _session_table as sessions
from pegboard_auth._account_table import Hashed
from pegboard_auth._attempt_table import subjects, take
from pegboard_auth._opaque import Opaque
from pegboard_auth._policy import check_level, check_name, check_password, normalized
from pegboard_auth._rate import Rate
from pegboard_auth._record import Account, AuditEvent, KeyRecord, SessionRecord
from pegboard_auth._scope_rule import check_scopes
from pegboard_auth._token import Claims, TokenCodec, TokenError
from pegboard_auth._trail import Actor, events, record

if TYPE_CHECKING:
    from pegboard_auth._feed import ChangeFeed
    from pegboard_auth._link_table import Link, Purpose
    from pegboard_auth._password import Passwords
    from pegboard_auth.config import AuthConfig
    from pegboard_database import Database, Transaction

__all__ = ["Accounts", "Tokens"]

T = TypeVar("T")

NOBODY = Actor()

WRONG = "the name or the password is wrong"
BAD_LINK = "this link is not good: it was used, has ended, or is not complete; ask for another one"
BAD_REFRESH = "the refresh token is not good: sign in again"
REUSED = "the refresh token was used before, so that the session was ended: sign in again"


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """What a program is given when it signs in, or exchanges a refresh token.

    Attributes:
        access_token: Sent as `Authorization: Bearer ...`.
        refresh_token: Exchanged for new tokens, once.
        expires_in: Seconds that the access token is good for.
        token_type: `Bearer`.
    """

    access_token: str
    refresh_token: str
    expires_in: float
    token_type: str = "Bearer"  # noqa: S105 - the name of a scheme


class Accounts:
    """Who may sign in: `app.service(Accounts, "pegboard-auth")`.

    Every change tells the other workers, and is in the audit trail, in one transaction.

    Args:
        config: The settings.
        database: Where everything is kept.
        codec: Signs tokens.
        passwords: Hashes passwords.
        feed: Takes changes over at once in this worker.
    """

    def __init__(
        self,
        config: AuthConfig,
        *,
        database: Database,
        codec: TokenCodec,
        passwords: Passwords,
        feed: ChangeFeed,
    ) -> None:
        self._config = config
        self._database = database
        self._codec = codec
        self._passwords = passwords
        self._feed = feed
        self._per_client = Rate.parse(config.attempts_per_client)
        self._per_account = Rate.parse(config.attempts_per_account)

    # -- looking ---------------------------------------------------------------------------

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

    async def sessions(self, uid: str) -> list[SessionRecord]:
        """Return the sessions of an account that have not ended."""
        now = time()
        return await self._database.aread(lambda tables: sessions.sessions_of(tables, uid, now))

    async def keys(self, uid: str) -> list[KeyRecord]:
        """Return the API keys of an account."""
        return await self._database.aread(lambda tables: keys.keys_of(tables, uid))

    async def audit(self, limit: int = 100, before: int | None = None) -> list[AuditEvent]:
        """Return the newest events of the audit trail, those before a number where one is given."""
        return await self._database.aread(lambda tables: events(tables, limit, before))

    async def has_admin(self) -> bool:
        """Whether somebody can administer."""
        return await self._database.aread(accounts.has_admin)

    # -- accounts --------------------------------------------------------------------------

    async def add(
        self, name: str, *, level: int = 1, password: str | None = None, actor: Actor = NOBODY
    ) -> Account:
        """Make an account; without a password it needs a link, see `link`, to set one.

        Raises:
            InputError: If name, level or password are not taken.
            ConflictError: If the name is taken already.
        """
        shown, level = check_name(name), check_level(level)
        hashed = None if password is None else await self._hash(shown, password)

        def work(tables: Transaction) -> Account:
            account = accounts.add_account(
                tables, shown, level=level, password=hashed, now=(now := time())
            )
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

        def work(tables: Transaction) -> Account:
            account = accounts.set_level(tables, uid, level, now=(now := time()))
            record(tables, "level_changed", now, uid=uid, actor=actor, detail=f"to {level}")
            return account

        return await self._change(work)

    async def disable(self, uid: str, *, actor: Actor = NOBODY) -> Account:
        """Keep an account out: its sessions and API keys end within a second.

        Raises:
            NotFoundError: If there is no such account.
            InputError: If nobody could administer any more.
        """

        def work(tables: Transaction) -> Account:
            account = accounts.set_disabled(tables, uid, disabled=True, now=(now := time()))
            sessions.end_sessions(tables, uid, "disabled", now)
            record(tables, "account_disabled", now, uid=uid, actor=actor)
            return account

        return await self._change(work)

    async def enable(self, uid: str, *, actor: Actor = NOBODY) -> Account:
        """Let a disabled account in again.

        Raises:
            NotFoundError: If there is no such account.
        """

        def work(tables: Transaction) -> Account:
            account = accounts.set_disabled(tables, uid, disabled=False, now=(now := time()))
            record(tables, "account_enabled", now, uid=uid, actor=actor)
            return account

        return await self._change(work)

    async def link(self, purpose: Purpose, uid: str | None, *, actor: Actor = NOBODY) -> str:
        """Make a one-time link; return its code, which is secret and known this once.

        Raises:
            NotFoundError: If there is no such account.
        """

        def work(tables: Transaction) -> Opaque:
            now = time()
            if uid is not None:
                accounts.get_account(tables, uid)
            code = links.add_link(tables, purpose, uid, now + self._config.link_lifetime)
            record(tables, "link_made", now, uid=uid or "", actor=actor, detail=purpose)
            return code

        return (await self._database.awrite(work)).text

    async def reset(self, uid: str, *, actor: Actor = NOBODY) -> str:
        """End all sessions and API keys, and return the code of a link to set a new password.

        Raises:
            NotFoundError: If there is no such account.
        """

        def work(tables: Transaction) -> None:
            now = time()
            accounts.get_account(tables, uid)
            sessions.end_sessions(tables, uid, "reset", now)
            keys.end_keys(tables, uid, now)
            record(tables, "account_reset", now, uid=uid, actor=actor)

        await self._change(work)
        return await self.link("password", uid, actor=actor)

    async def sign_up(self, name: str, password: str, *, actor: Actor = NOBODY) -> Account:
        """Make an account for somebody unknown: counted like a sign-in of their address.

        Raises:
            InputError: If name or password are not taken.
            ConflictError: If the name is taken already.
            TooManyRequestsError: If too many were made from this address.
        """
        await self._counted(name, lambda _: None, actor)
        return await self.add(name, password=password, actor=actor)

    # -- signing in ------------------------------------------------------------------------

    async def sign_in(
        self, name: str, password: str, *, device: str | None = None, actor: Actor = NOBODY
    ) -> Account:
        """Return the account of a name, if the password is its own.

        Args:
            name: The name.
            password: The password.
            device: What `device_token` has given to this client when it signed in before.
            actor: Who tries.

        Raises:
            UnauthorizedError: If name or password are wrong, or the account is disabled; nobody
                can tell which of these it is.
            TooManyRequestsError: If too many were tried from this address, or for this name.
            UnavailableError: If too many passwords are checked at once.
        """
        return await self._check(name, password, lambda uid: self.device_of(device, uid), actor)

    async def _check(
        self, name: str, password: str, device: Callable[[str], str | None], actor: Actor
    ) -> Account:
        hashed = await self._counted(name, device, actor)
        known = None if hashed is None or hashed.account.disabled else hashed.password
        typed = normalized(password)
        if not await self._passwords.check(known, typed) or hashed is None:
            uid = "" if hashed is None else hashed.account.uid
            await self._note("sign_in_refused", uid, actor)
            raise UnauthorizedError(WRONG)
        if known is not None and self._passwords.is_outdated(known):
            await self._rehash(hashed, await self._passwords.hash(typed))
        return hashed.account

    async def begin(self, uid: str, *, instead: str = "", actor: Actor = NOBODY) -> str:
        """Begin a session of a browser; return the value of its cookie.

        Args:
            uid: The account.
            instead: A session of this browser, which ends.
            actor: Who signs in.

        Raises:
            UnauthorizedError: If the account is disabled or gone.
        """

        def work(tables: Transaction) -> str:
            if instead:
                sessions.end_session(tables, instead, "signed in anew", time())
            return self._begin(tables, uid, "cookie", actor)

        return self.cookie(await self._change(work), uid)

    async def issue(self, uid: str, *, actor: Actor = NOBODY) -> Tokens:
        """Begin a session of a program; return its tokens.

        Raises:
            UnauthorizedError: If the account is disabled or gone.
        """

        def work(tables: Transaction) -> tuple[str, Opaque]:
            sid = self._begin(tables, uid, "token", actor)
            return sid, self._refresh_token(tables, sid)

        sid, refresh = await self._change(work)
        return self._tokens(sid, uid, refresh)

    async def refresh(self, text: str, *, actor: Actor = NOBODY) -> Tokens:
        """Exchange a refresh token for new tokens.

        Raises:
            UnauthorizedError: If it is not good. One that was used before has been copied by
                somebody, so that the session has been ended for everyone who has tokens of it.
        """
        token = Opaque.parse(text, "pbr")
        if token is None:
            raise UnauthorizedError(BAD_REFRESH)

        def work(tables: Transaction) -> tuple[sessions.Refreshed, Opaque | None]:
            now = time()
            used = sessions.use_refresh(tables, token, now)
            if used.reused:
                record(tables, "refresh_reused", now, uid=used.uid, actor=actor)
            if not used.good:
                return used, None
            sessions.renew_session(tables, used.sid, now)
            return used, self._refresh_token(tables, used.sid)

        used, fresh = await self._change(work)
        if fresh is None:
            raise UnauthorizedError(REUSED if used.reused else BAD_REFRESH)
        return self._tokens(used.sid, used.uid, fresh)

    async def end(self, uid: str, sid: str, *, actor: Actor = NOBODY) -> bool:
        """End a session of an account, everywhere within a second; False if it has none such."""

        def work(tables: Transaction) -> bool:
            now = time()
            query = "select 1 from sessions where sid = ? and uid = ?"
            if tables.first(query, sid, uid) is None:
                return False
            ended = sessions.end_session(tables, sid, "signed out", now)
            if ended:
                record(tables, "sign_out", now, uid=uid, actor=actor)
            return ended

        return await self._change(work)

    async def end_others(self, uid: str, sid: str, *, actor: Actor = NOBODY) -> int:
        """End all sessions of an account but for one; return how many."""

        def work(tables: Transaction) -> int:
            now = time()
            count = sessions.end_sessions(tables, uid, "signed out elsewhere", now, but=sid)
            record(tables, "sign_out", now, uid=uid, actor=actor, detail=f"{count} others")
            return count

        return await self._change(work)

    async def renew(self, sid: str, uid: str) -> str:
        """Note that a session is in use; return a fresh value for its cookie."""
        now = time()
        await self._database.awrite(lambda tables: sessions.renew_session(tables, sid, now))
        return self.cookie(sid, uid)

    def cookie(self, sid: str, uid: str) -> str:
        """Return a fresh value for the cookie of a session."""
        return self._sign("session", sid, uid, self._config.session_idle)

    def device_token(self, uid: str, known: str | None = None) -> str:
        """Return what a device keeps that has signed in, so that it is counted for itself."""
        device = self.device_of(known, uid) or Opaque.make("pbl").id
        return self._sign("device", device, uid, self._config.session_lifetime * 12)

    def device_of(self, token: str | None, uid: str) -> str | None:
        """Return the identity of a device that has signed in to an account, else None."""
        if token is None:
            return None
        try:
            claims = self._codec.check(token, "device", time())
        except TokenError:
            return None
        return claims.sid if claims.uid == uid else None

    async def setup_code(self, now: float, *, patience: float) -> str | None:
        """Make a link for the first administrator; return its code.

        Args:
            now: Seconds since 1970.
            patience: Seconds for which a link that another worker has made is enough.

        Returns:
            None if there is an administrator, or another worker has made a link just now.
        """
        lifetime = self._config.link_lifetime

        def work(tables: Transaction) -> Opaque | None:
            newest = tables.value("select max(expires_at) from links where purpose = 'setup'")
            is_new = newest is not None and newest > now + lifetime - patience
            if is_new or accounts.has_admin(tables):
                return None
            record(tables, "link_made", now, actor=NOBODY, detail="setup")
            return links.add_link(tables, "setup", None, now + lifetime)

        code = await self._database.awrite(work)
        return None if code is None else code.text

    # -- passwords, links, keys ------------------------------------------------------------

    async def change_password(
        self, uid: str, current: str, password: str, *, sid: str = "", actor: Actor = NOBODY
    ) -> None:
        """Set another password, and end all other sessions.

        Args:
            uid: The account.
            current: The password until now.
            password: The one from now on.
            sid: The session that stays.
            actor: Who does it.

        Raises:
            UnauthorizedError: If `current` is wrong.
            InputError: If the new one is not taken.
            TooManyRequestsError: If too many were tried.
        """
        account = await self.get(uid)
        await self._check(account.name, current, lambda _: f"of {uid}", actor)
        await self._set_password(account, password, but=sid, actor=actor)

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
        """Use a one-time link: make the first administrator, set a password, or sign in.

        Args:
            code: The code of the link.
            name: Name of the first administrator.
            password: The new password, where the link is for one.
            actor: Who does it.

        Raises:
            UnauthorizedError: If the link is not good.
            InputError: If name or password are not taken; the link stays good.
            ConflictError: If the name is taken; the link stays good.
        """
        link = await self.look_at_link(code)
        shown = check_name(name) if link.uid is None else (await self.get(link.uid)).name
        hashed = "" if link.purpose == "sign_in" else await self._hash(shown, password)

        def work(tables: Transaction) -> Account:
            now = time()
            used = links.use_link(tables, _parsed_link(code), now)
            if used is None:
                raise UnauthorizedError(BAD_LINK)
            if used.uid is None:
                if accounts.has_admin(tables):  # by another way since the link was printed
                    raise UnauthorizedError(BAD_LINK)
                tables.execute("delete from links where purpose = 'setup'")
                account = accounts.add_account(tables, shown, level=10, password=hashed, now=now)
            else:
                account = accounts.get_account(tables, used.uid)
                if account.disabled:
                    raise UnauthorizedError(BAD_LINK)
                if hashed:
                    accounts.set_password(tables, used.uid, hashed)
                    sessions.end_sessions(tables, used.uid, "new password", now)
            record(tables, "link_used", now, uid=account.uid, actor=actor, detail=used.purpose)
            return account

        return await self._change(work)

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
        if lifetime is not None and lifetime <= 0:
            msg = "a key lasts for more than no time"
            raise InputError(msg)

        def work(tables: Transaction) -> Opaque:
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

        def work(tables: Transaction) -> bool:
            now = time()
            ended = keys.end_key(tables, uid, key_id, now)
            if ended:
                record(tables, "key_ended", now, uid=uid, actor=actor, detail=key_id)
            return ended

        return await self._change(work)

    # -- inside ----------------------------------------------------------------------------

    async def _change(self, work: Callable[[Transaction], T]) -> T:
        """Write what others have to know, and know it here at once."""
        answer = await self._database.awrite(work)
        await self._feed.read()
        return answer

    async def _counted(
        self, name: str, device: Callable[[str], str | None], actor: Actor
    ) -> Hashed | None:
        """Count a sign-in and return what it is checked against.

        Raises:
            TooManyRequestsError: If it may not even be tried.
        """

        def work(tables: Transaction) -> tuple[Hashed | None, float]:
            hashed = accounts.find_hashed(tables, name)
            known = device(hashed.account.uid) if hashed else None
            counted = subjects(
                name,
                actor.client,
                known,
                per_client=self._per_client,
                per_account=self._per_account,
            )
            return hashed, take(tables, counted, time())

        hashed, wait = await self._database.awrite(work)
        if wait:
            msg = "too many sign-ins were tried; wait a little"
            raise TooManyRequestsError(msg, retry_after=wait)
        return hashed

    async def _note(self, event: str, uid: str, actor: Actor) -> None:
        now = time()
        await self._database.awrite(lambda tables: record(tables, event, now, uid=uid, actor=actor))

    async def _hash(self, name: str, password: str) -> str:
        normal = check_password(password, name=name, least=self._config.password_min)
        return await self._passwords.hash(normal)

    async def _rehash(self, hashed: Hashed, password: str) -> None:
        """Keep a hash made with the settings of now, unless the password was changed meanwhile."""

        def work(tables: Transaction) -> None:
            current = accounts.find_hashed(tables, hashed.account.name)
            if current is not None and current.password == hashed.password:
                accounts.set_password(tables, hashed.account.uid, password)

        await self._database.awrite(work)

    async def _set_password(
        self, account: Account, password: str, *, but: str, actor: Actor
    ) -> None:
        hashed = await self._hash(account.name, password)

        def work(tables: Transaction) -> None:
            now = time()
            accounts.set_password(tables, account.uid, hashed)
            sessions.end_sessions(tables, account.uid, "new password", now, but=but)
            record(tables, "password_changed", now, uid=account.uid, actor=actor)

        await self._change(work)

    def _begin(self, tables: Transaction, uid: str, kind: str, actor: Actor) -> str:
        now = time()
        if accounts.get_account(tables, uid).disabled:
            raise UnauthorizedError(WRONG)
        sid = sessions.add_session(
            tables,
            uid,
            kind=kind,
            now=now,
            lifetime=self._config.session_lifetime,
            most=self._config.max_sessions,
            actor=actor,
        )
        record(tables, "sign_in", now, uid=uid, actor=actor, detail=kind)
        return sid

    def _refresh_token(self, tables: Transaction, sid: str) -> Opaque:
        return sessions.add_refresh(tables, sid, time() + self._config.refresh_lifetime)

    def _tokens(self, sid: str, uid: str, refresh: Opaque) -> Tokens:
        lifetime = self._config.access_lifetime
        access = self._sign("access", sid, uid, lifetime)
        return Tokens(access_token=access, refresh_token=refresh.text, expires_in=lifetime)

    def _sign(self, use: str, sid: str, uid: str, lifetime: float) -> str:
        now = time()
        claims = Claims(use=use, sid=sid, uid=uid, issued=now, expires=now + lifetime)  # type: ignore[arg-type]  # one of its literals
        return self._codec.sign(claims)


def _parsed_link(code: str) -> Opaque:
    link = Opaque.parse(code.strip(), "pbl")
    if link is None:
        raise UnauthorizedError(BAD_LINK)
    return link

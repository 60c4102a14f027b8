"""Signing in and out: passwords, sessions, tokens."""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import TYPE_CHECKING, Any

import msgspec
from anyio import to_thread

from pegboard.errors import InputError, NotFoundError, UnauthorizedError
from pegboard_auth import _account_table as accounts
from pegboard_auth import _provider_table as providers
from pegboard_auth import _session_table as sessions
from pegboard_auth._account_table import Hashed
from pegboard_auth._cookie import DEVICE_LIFETIME
from pegboard_auth._desk import NOBODY
from pegboard_auth._membership import Membership
from pegboard_auth._opaque import Opaque
from pegboard_auth._policy import free_name, normalized
from pegboard_auth._token import TokenError
from pegboard_auth._trail import Actor, record

if TYPE_CHECKING:
    from pegboard import Session
    from pegboard_auth._provider import Profile
    from pegboard_auth._record import Account, SessionRecord
    from pegboard_database import Changes

__all__ = ["Admission", "Tokens"]

OWN_MAX = 4096  # bytes of JSON that mods keep in a session
RESERVED = frozenset({"source"})  # of a session's extra data

WRONG = "the name or the password is wrong"
BAD_REFRESH = "the refresh token is not good: sign in again"
UNKNOWN = "nobody here is known by that account"
BEGIN_AGAIN = "the sign-in took too long, or began in another browser: begin again"
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


class Admission(Membership):
    """Lets people and programs in, and out."""

    async def sessions(self, uid: str) -> list[SessionRecord]:
        """Return the sessions of an account that have not ended."""
        now = time()
        return await self._database.aread(lambda tables: sessions.sessions_of(tables, uid, now))

    async def sign_up(self, name: str, password: str, *, actor: Actor = NOBODY) -> Account:
        """Make an account for somebody unknown: counted like a sign-in of their address.

        Raises:
            InputError: If name or password are not taken.
            ConflictError: If the name is taken already.
            TooManyRequestsError: If too many were made from this address.
        """
        await self._counted(name, lambda _: None, actor)
        return await self.add(name, password=password, actor=actor)

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

    async def begin(self, uid: str, *, instead: str = "", actor: Actor = NOBODY) -> str:
        """Begin a session of a browser; return the value of its cookie.

        Args:
            uid: The account.
            instead: A session of this browser, which ends.
            actor: Who signs in.

        Raises:
            UnauthorizedError: If the account is disabled or gone.
        """

        def work(tables: Changes) -> str:
            if instead:
                sessions.end_session(tables, instead, "signed in anew", time())
            return self._begin(tables, uid, "cookie", actor)

        return await self.cookie(await self._change(work), uid)

    async def issue(self, uid: str, *, actor: Actor = NOBODY) -> Tokens:
        """Begin a session of a program; return its tokens.

        Raises:
            UnauthorizedError: If the account is disabled or gone.
        """

        def work(tables: Changes) -> tuple[str, Opaque]:
            sid = self._begin(tables, uid, "token", actor)
            return sid, self._refresh_token(tables, sid)

        sid, refresh = await self._change(work)
        return await self._tokens(sid, uid, refresh)

    async def refresh(self, text: str, *, actor: Actor = NOBODY) -> Tokens:
        """Exchange a refresh token for new tokens.

        Raises:
            UnauthorizedError: If it is not good. One that was used before has been copied by
                somebody, so that the session has been ended for everyone who has tokens of it.
        """
        token = Opaque.parse(text, "pbr")
        if token is None:
            raise UnauthorizedError(BAD_REFRESH)

        def work(tables: Changes) -> tuple[sessions.Refreshed, Opaque | None]:
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
        return await self._tokens(used.sid, used.uid, fresh)

    async def end(self, uid: str, sid: str, *, actor: Actor = NOBODY) -> bool:
        """End a session of an account, everywhere within a second; False if it has none such."""

        def work(tables: Changes) -> bool:
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

        def work(tables: Changes) -> int:
            now = time()
            count = sessions.end_sessions(tables, uid, "signed out elsewhere", now, but=sid)
            record(tables, "sign_out", now, uid=uid, actor=actor, detail=f"{count} others")
            return count

        return await self._change(work)

    async def keep(self, session: Session, **values: Any) -> dict[str, Any]:
        """Keep values in a session: its requests have them in `extra_data`, until it ends.

        Args:
            session: The session, of a browser or of a program with tokens.
            values: What JSON knows, by names of which `source` is taken; None forgets a value.

        Returns:
            All values that mods keep in this session now.

        Raises:
            NotFoundError: If there is no such session, as for nobody and for API keys.
            InputError: If a name is taken, a value is not JSON, or all together are too large.
        """
        if RESERVED & values.keys():
            msg = f"the names {', '.join(sorted(RESERVED))} are taken in a session"
            raise InputError(msg)

        def work(tables: Changes) -> dict[str, Any]:
            own = sessions.own_values(tables, session.session_id)
            if own is None:
                raise NotFoundError("there is no such session to keep values in")
            kept = {name: each for name, each in {**own, **values}.items() if each is not None}
            sessions.set_own_values(tables, session.session_id, _encoded(kept), time())
            return kept

        return await self._change(work)

    async def sign_in_by(
        self, profile: Profile, *, sign_up: bool, by_mail: bool, actor: Actor = NOBODY
    ) -> Account:
        """Return the account of somebody whom a provider vouches for.

        Args:
            profile: What the provider says of them.
            sign_up: Whether somebody unknown gets an account.
            by_mail: Whether an address that the provider has checked leads to who has it here.
            actor: Who tries.

        Raises:
            UnauthorizedError: If nobody here is known by it, or the account is disabled.
        """

        def work(tables: Changes) -> Account | None:
            now = time()
            uid = providers.uid_of(tables, profile)
            if uid is None and by_mail and profile.mail_is_checked and profile.mail:
                found = accounts.find_by_mail(tables, profile.mail)
                uid = None if found is None else found.uid
                if uid is not None:
                    providers.add_identity(tables, profile, uid, now)
            if uid is None and sign_up:
                name = free_name(profile.name, lambda name: accounts.is_taken(tables, name))
                uid = accounts.add_account(tables, name, level=1, password=None, now=now).uid
                providers.add_identity(tables, profile, uid, now)
                record(tables, "account_added", now, uid=uid, actor=actor, detail=profile.issuer)
            account = None if uid is None else accounts.get_account(tables, uid)
            if account is None or account.disabled:
                detail = profile.issuer
                record(tables, "sign_in_refused", now, uid=uid or "", actor=actor, detail=detail)
                return None
            return account

        account = await self._change(work)
        if account is None:
            raise UnauthorizedError(UNKNOWN)
        return account

    async def connect(self, uid: str, profile: Profile, *, actor: Actor = NOBODY) -> None:
        """Let an account sign in by an identity at a provider from now on.

        Raises:
            ConflictError: If that identity is another account's.
        """

        def work(tables: Changes) -> None:
            now = time()
            if providers.uid_of(tables, profile) != uid:
                providers.add_identity(tables, profile, uid, now)
                detail = profile.issuer
                record(tables, "identity_added", now, uid=uid, actor=actor, detail=detail)

        await self._database.awrite(work)

    async def providers(self, uid: str) -> list[str]:
        """Return the names of the providers by which an account is known."""
        issuers = await self._database.aread(lambda tables: providers.issuers_of(tables, uid))
        known = self._config.providers.items()
        return [name for name, each in known if each.issuer in issuers]

    async def seal(self, values: dict[str, str], lifetime: float) -> str:
        """Sign what a browser keeps while it is at a provider."""
        return await self._sign("oidc", "", "", lifetime, values)

    async def unseal(self, text: str) -> dict[str, str]:
        """Return what was signed by `seal`.

        Raises:
            UnauthorizedError: If it was not, or has ended.
        """
        try:
            claims = await to_thread.run_sync(
                lambda: self._ring.codec().check(text, "oidc", time())
            )
        except TokenError as error:
            raise UnauthorizedError(BEGIN_AGAIN) from error
        return claims.more

    async def renew(self, sid: str, uid: str) -> str:
        """Note that a session is in use; return a fresh value for its cookie."""
        now = time()
        await self._database.awrite(lambda tables: sessions.renew_session(tables, sid, now))
        return await self.cookie(sid, uid)

    async def cookie(self, sid: str, uid: str) -> str:
        """Return a fresh value for the cookie of a session."""
        return await self._sign("session", sid, uid, self._config.session_idle)

    async def device_token(self, uid: str, known: str | None = None) -> str:
        """Return what a device keeps that has signed in, so that it is counted for itself."""
        found = await to_thread.run_sync(self.device_of, known, uid)
        device = found or Opaque.make("pbl").id
        return await self._sign("device", device, uid, DEVICE_LIFETIME)

    def device_of(self, token: str | None, uid: str) -> str | None:
        """Return the identity of a device that has signed in to an account, else None; blocks."""
        if token is None:
            return None
        try:
            claims = self._ring.codec().check(token, "device", time())
        except TokenError:
            return None
        return claims.sid if claims.uid == uid else None

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

    async def confirm(self, uid: str, password: str, *, actor: Actor = NOBODY) -> None:
        """See whether who asks knows the password of an account that has one.

        Raises:
            UnauthorizedError: If it is wrong.
            TooManyRequestsError: If too many were tried.
        """
        account = await self.get(uid)
        if account.has_password:
            await self._check(account.name, password, lambda _: f"of {uid}", actor)

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

    async def _rehash(self, hashed: Hashed, password: str) -> None:
        """Keep a hash made with the settings of now, unless the password was changed meanwhile."""

        def work(tables: Changes) -> None:
            current = accounts.find_hashed(tables, hashed.account.name)
            if current is not None and current.password == hashed.password:
                accounts.set_password(tables, hashed.account.uid, password)

        await self._database.awrite(work)

    async def _set_password(
        self, account: Account, password: str, *, but: str, actor: Actor
    ) -> None:
        hashed = await self._hash(account.name, password)

        def work(tables: Changes) -> None:
            now = time()
            accounts.set_password(tables, account.uid, hashed)
            sessions.end_sessions(tables, account.uid, "new password", now, but=but)
            record(tables, "password_changed", now, uid=account.uid, actor=actor)

        await self._change(work)

    def _begin(self, tables: Changes, uid: str, kind: str, actor: Actor) -> str:
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

    def _refresh_token(self, tables: Changes, sid: str) -> Opaque:
        return sessions.add_refresh(tables, sid, time() + self._config.refresh_lifetime)

    async def _tokens(self, sid: str, uid: str, refresh: Opaque) -> Tokens:
        lifetime = self._config.access_lifetime
        access = await self._sign("access", sid, uid, lifetime)
        return Tokens(access_token=access, refresh_token=refresh.text, expires_in=lifetime)


def _encoded(values: dict[str, Any]) -> str:
    try:
        text = msgspec.json.encode(values)
    except TypeError as error:
        msg = f"a session keeps what JSON knows: {error}"
        raise InputError(msg) from error
    if len(text) > OWN_MAX:
        msg = f"a session keeps at most {OWN_MAX} bytes of values, not {len(text)}"
        raise InputError(msg)
    return text.decode()

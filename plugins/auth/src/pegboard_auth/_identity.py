"""Who asks: from what a request shows to the session. The hot path is `Identity.identify`."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from time import monotonic, time
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from pegboard import Session
from pegboard.errors import ForbiddenError, UnauthorizedError, UnavailableError
from pegboard_auth._cache import Known, SessionCache
from pegboard_auth._cookie import is_secure
from pegboard_auth._credential import SHOWN, Credential, Source, find_credential, known_fields
from pegboard_auth._key_table import key_standing, subject_of
from pegboard_auth._opaque import Opaque
from pegboard_auth._origin import judge
from pegboard_auth._scope_rule import covers
from pegboard_auth._session_table import Standing, own_subject, standing_of
from pegboard_auth._token import Claims, TokenError, Use
from pegboard_auth._trail import last_change

if TYPE_CHECKING:
    from pegboard import Connection
    from pegboard.contracts.asgi import Scope
    from pegboard_auth._cookie import CookieJar
    from pegboard_auth._feed import ChangeFeed
    from pegboard_auth._key_ring import KeyRing
    from pegboard_auth.config import AuthConfig
    from pegboard_database import Records, Rows

__all__ = ["Identity"]

NEVER = float("inf")
LOOKS = 5  # times that the database is asked while sessions change
RENEWAL_PAUSE = 60.0  # seconds in which a worker replaces an old cookie once

_BAD_TOKEN = "the token is not good: sign in again, or exchange the refresh token"  # noqa: S105 - a sentence
_BAD_KEY = "the API key is not good: it may have ended, or been deleted"

_logger = logging.getLogger("pegboard.auth")


class Identity:
    """Says who asks, for one app.

    Args:
        config: The settings.
        database: Where sessions are.
        ring: Checks tokens.
        cookies: Names the cookie.
        cache: What is known already.
        feed: Says how long that may be trusted.
        renew: Makes a fresh cookie for a session of an account.
    """

    def __init__(
        self,
        config: AuthConfig,
        *,
        database: Records,
        ring: KeyRing,
        cookies: CookieJar,
        cache: SessionCache,
        feed: ChangeFeed,
        renew: Callable[[str, str], Awaitable[str]],
    ) -> None:
        self._config = config
        self._database = database
        self._ring = ring
        self._cookies = cookies
        self._cache = cache
        self._feed = feed
        self._renew = renew

    def identify(self, connection: Connection) -> Awaitable[Session | None] | None:
        """Return who asks; None, without asking anybody, where the request shows nothing.

        Raises:
            ForbiddenError: If another site makes a browser act with the cookie of its user, or an
                API key does not cover what is called.
        """
        for name, _ in connection.scope["headers"]:
            if name in SHOWN:
                break
        else:
            return None
        known = self.recognize(connection.scope)
        if known is None:
            return None
        if not isinstance(known, Known):
            return self._look_up(connection, known)
        if known.renew_at <= time():
            return self._with_fresh_cookie(connection, known)
        return _at_once(known.session)

    def recognize(self, scope: Scope) -> Known | Credential | None:
        """Return what is known of a request, or the credential that is to be looked up.

        Raises:
            ForbiddenError: As `identify`.
        """
        fields = known_fields(scope["headers"])
        credential = find_credential(fields, self._cookies.name(scope))
        if credential is None:
            return None
        if credential.source is Source.COOKIE and not self._is_own(scope, fields):
            return None
        known = self._cache.get(credential)
        if known is None or known.expires_at <= time() or self._feed.fresh_until <= monotonic():
            return credential
        if known.scopes:
            _check_scopes(known.scopes, scope["path"])
        return known

    def _is_own(self, scope: Scope, fields: dict[bytes, bytes]) -> bool:
        verdict = judge(
            fields,
            scope.get("method", "WEBSOCKET"),
            is_secure=is_secure(scope),
            trusted=self._config.trusted_origins,
            links=self._config.cookie_same_site == "lax",
        )
        if verdict == "forbidden":
            msg = "a page of another site may not act here; see the setting trusted_origins"
            raise ForbiddenError(msg)
        return verdict == "own"

    async def _look_up(self, connection: Connection, credential: Credential) -> Session | None:
        known = await self.look_up(credential)
        if known is None:
            return None
        if known.scopes:
            _check_scopes(known.scopes, connection.path)
        if known.renew_at <= time():
            return await self._with_fresh_cookie(connection, known)
        return known.session

    async def _with_fresh_cookie(self, connection: Connection, known: Known) -> Session:
        """Replace a cookie that is getting old; whoever has both may use both until they end."""
        session, scope = known.session, connection.scope
        if scope["type"] == "http":
            known.renew_at = time() + RENEWAL_PAUSE
            try:
                value = await self._renew(session.session_id, session.user_id)
            except UnavailableError as error:
                _logger.warning("a cookie could not be replaced: %s", error)
            else:
                name, age = self._cookies.name(scope), self._config.session_idle
                header = self._cookies.write(scope, name, value, max_age=age)
                connection.add_response_header(b"set-cookie", header)
        return session

    async def look_up(self, credential: Credential) -> Known | None:
        """Ask the database what a credential is worth.

        Returns:
            What it stands for; None for a cookie that is not good, since whoever has one cannot
            help it.

        Raises:
            UnauthorizedError: If a token or key is not good.
            UnavailableError: If the database does not answer.
        """
        for _ in range(LOOKS):
            try:
                seq, known = await self._ask(credential)
            except (TokenError, UnicodeDecodeError) as error:
                _logger.debug("a %s was refused: %s", credential.source.name.lower(), error)
                known = None
            if known is None:
                if credential.source is Source.COOKIE:
                    return None
                raise UnauthorizedError(_BAD_KEY if credential.source is Source.KEY else _BAD_TOKEN)
            if self._is_kept(credential, known, seq):
                return known
        msg = "sessions change too fast to tell who asks; try again"
        raise UnavailableError(msg, retry_after=1.0)

    async def _ask(self, credential: Credential) -> tuple[int, Known | None]:
        text = credential.text.decode("ascii")
        if credential.source is Source.KEY:
            return await self._by_key(text)
        return await self._by_token(credential.source, text)

    async def _by_token(self, source: Source, text: str) -> tuple[int, Known | None]:
        now = time()

        def find(snapshot: Rows) -> tuple[int, Known | None]:
            use: Use = "session" if source is Source.COOKIE else "access"
            claims = self._ring.codec().check(text, use, now)
            seq, standing = last_change(snapshot), standing_of(snapshot, claims.sid, now)
            if standing is None or standing.uid != claims.uid:
                return seq, None
            return seq, self._known_by_claims(claims, standing, source)

        return await self._database.aread(find)

    def _known_by_claims(self, claims: Claims, standing: Standing, source: Source) -> Known:
        is_cookie = source is Source.COOKIE
        session = _session(standing, claims.sid, "cookie" if is_cookie else "bearer")
        return Known(
            session,
            (claims.sid, claims.uid, own_subject(claims.sid)),
            expires_at=min(claims.expires, standing.expires_at or NEVER),
            renew_at=claims.issued + self._config.rotate_after if is_cookie else NEVER,
            scopes=(),
        )

    async def _by_key(self, text: str) -> tuple[int, Known | None]:
        key = Opaque.parse(text, "pbk")
        if key is None:
            return 0, None
        now = time()

        def find(snapshot: Rows) -> tuple[int, Known | None]:
            found = key_standing(snapshot, key, now)
            return last_change(snapshot), None if found is None else Known(
                _session(found.standing, subject_of(key.id), "key"),
                (subject_of(key.id), found.standing.uid),
                expires_at=found.standing.expires_at or NEVER,
                renew_at=NEVER,
                scopes=found.scopes,
            )

        return await self._database.aread(find)

    def _is_kept(self, credential: Credential, known: Known, seq: int) -> bool:
        """Remember, unless a change has come meanwhile that this may not have seen."""
        if seq < self._feed.seq:
            return False
        self._cache.put(credential, known)
        return True


async def _at_once(session: Session) -> Session:
    return session


def _session(standing: Standing, sid: str, source: str) -> Session:
    return Session(
        SiID=sid,
        level=standing.level,
        user_name=standing.name,
        extra_data=MappingProxyType({**msgspec.json.decode(standing.own), "source": source}),
        user_id=standing.uid,
        session_id=sid,
        cloudm_user_id=standing.uid,
        validated=True,
        anonymous=False,
    )


def _check_scopes(scopes: tuple[str, ...], path: str) -> None:
    if not covers(scopes, path):
        msg = f"this API key may not call {path}: its scopes are {', '.join(scopes)}"
        raise ForbiddenError(msg)

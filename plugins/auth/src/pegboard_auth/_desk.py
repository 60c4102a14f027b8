"""What all who keep accounts have in common."""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import TYPE_CHECKING, TypeVar

from anyio import to_thread

from pegboard.errors import TooManyRequestsError
from pegboard_auth import _account_table as accounts
from pegboard_auth._account_table import Hashed
from pegboard_auth._attempt_table import subjects, take
from pegboard_auth._policy import check_password
from pegboard_auth._rate import Rate
from pegboard_auth._token import Claims, Use
from pegboard_auth._trail import Actor, record

if TYPE_CHECKING:
    from pegboard_auth._feed import ChangeFeed
    from pegboard_auth._key_ring import KeyRing
    from pegboard_auth._password import Passwords
    from pegboard_auth.config import AuthConfig
    from pegboard_database import Changes, Records

__all__ = ["NOBODY", "Desk"]

T = TypeVar("T")

NOBODY = Actor()


class Desk:
    """Where accounts are changed.

    Every change tells the other workers, and is in the audit trail, in one transaction.

    Args:
        config: The settings.
        database: Where everything is kept.
        ring: Signs tokens.
        passwords: Hashes passwords.
        feed: Takes changes over at once in this worker.
    """

    def __init__(
        self,
        config: AuthConfig,
        *,
        database: Records,
        ring: KeyRing,
        passwords: Passwords,
        feed: ChangeFeed,
    ) -> None:
        self._config = config
        self._database = database
        self._ring = ring
        self._passwords = passwords
        self._feed = feed
        self._per_client = Rate.parse(config.attempts_per_client)
        self._per_account = Rate.parse(config.attempts_per_account)
        self._mails = Rate.parse(config.mails_per_account)

    async def _change(self, work: Callable[[Changes], T]) -> T:
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

        def work(tables: Changes) -> tuple[Hashed | None, float]:
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

    async def _sign(
        self, use: Use, sid: str, uid: str, lifetime: float, more: dict[str, str] | None = None
    ) -> str:
        now = time()
        claims = Claims(
            use=use, sid=sid, uid=uid, issued=now, expires=now + lifetime, more=more or {}
        )
        return await to_thread.run_sync(lambda: self._ring.codec().sign(claims))

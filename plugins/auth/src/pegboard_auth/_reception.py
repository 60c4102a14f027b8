"""Everything of one app: opened when the plugin is activated, closed when it goes."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from time import time
from typing import TYPE_CHECKING

import anyio
from anyio import to_thread

from pegboard import HealthCheck
from pegboard.errors import UnavailableError
from pegboard_auth._accounts import Accounts
from pegboard_auth._cache import SessionCache
from pegboard_auth._cookie import CookieJar
from pegboard_auth._feed import ChangeFeed
from pegboard_auth._identity import Identity
from pegboard_auth._key_ring import KeyRing
from pegboard_auth._password import Passwords
from pegboard_auth._post import LinkPost
from pegboard_auth._provider import Provider
from pegboard_auth._schema import SCHEMA
from pegboard_auth._trail import forget_old
from pegboard_database import Records, open_records

if TYPE_CHECKING:
    from pegboard import App
    from pegboard_auth.config import AuthConfig

__all__ = ["Reception"]

SWEEP = 3600.0  # seconds between two deletions of what nobody needs any more

_logger = logging.getLogger("pegboard.auth")


class Reception:
    """Who knows everybody of one app.

    Args:
        app: The app.
        config: The settings.
        database: Where everything is kept.

    Attributes:
        app: The app.
        config: The settings.
        cookies: Names and writes the cookies.
        accounts: The accounts.
        identity: Says who asks.
        post: Sends links by mail.
        providers: Where else people may sign in, by name.
    """

    def __init__(self, app: App, config: AuthConfig, database: Records) -> None:
        self.app = app
        self.config = config
        self.cookies = CookieJar(config)
        self._database = database
        self._is_followed = False
        self._cache = SessionCache(config.cached_sessions)
        self._feed = ChangeFeed(database, self._cache, self._tell)
        ring = KeyRing(Path(config.keys) if config.keys else _folder(app) / "keys.json")
        passwords = Passwords(config)
        self.accounts = Accounts(
            config, database=database, ring=ring, passwords=passwords, feed=self._feed
        )
        self.post = LinkPost(app, config)
        self.providers = {name: Provider(each) for name, each in config.providers.items()}
        self.identity = Identity(
            config,
            database=database,
            ring=ring,
            cookies=self.cookies,
            cache=self._cache,
            feed=self._feed,
            renew=self.accounts.renew,
        )

    @classmethod
    @asynccontextmanager
    async def opened(cls, app: App, config: AuthConfig) -> AsyncIterator[Reception]:
        """Open the database, follow the changes of other workers, and close it at the end.

        Raises:
            ConfigError: If keys or database cannot be read.
        """
        path = _folder(app) / "accounts.db"
        database = await to_thread.run_sync(lambda: open_records(path, config.url, SCHEMA))
        async with database:
            reception = await to_thread.run_sync(lambda: cls(app, config, database))
            async with reception.open():
                yield reception

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Provide the accounts, and follow the changes of other workers, while the block runs."""
        withdraw = self.app.provide(Accounts, self.accounts)
        try:
            async with anyio.create_task_group() as tasks:
                await self._feed.read()
                tasks.start_soon(self._feed.run, name="changes of sessions")
                tasks.start_soon(self._sweep, name="sweep of sessions")
                yield
                if not (self._is_followed or self.app.stopping.is_set()):
                    await self._feed.dismiss()
                tasks.cancel_scope.cancel()
        finally:
            withdraw()

    def follow_from(self, previous: Reception) -> None:
        """Miss no change that another one has not told of."""
        previous._is_followed = True
        self._feed.follow_from(previous._feed)

    @property
    def provider_titles(self) -> list[tuple[str, str]]:
        """Where else people may sign in: names in the settings, and what people read."""
        return [(name, each.title or name) for name, each in self.config.providers.items()]

    def checks(self) -> list[HealthCheck]:
        """Return whether the accounts can be read, and sessions followed."""
        waiting = self._database.waiting()
        detail = f"{len(self._cache)} sessions in memory, {waiting} writes wait"
        return [HealthCheck(name="accounts", ok=True, detail=detail)]

    def _tell(self, subjects: Collection[str]) -> None:
        """Let transports end what is open for sessions that have changed."""
        self.app.hooks.all("sessions_changed", app=self.app, subjects=subjects)

    async def _sweep(self) -> None:
        while True:
            now = time()
            try:
                await self._database.awrite(
                    lambda tables: forget_old(tables, now, audit_days=self.config.audit_days)  # noqa: B023 - awaited at once
                )
            except UnavailableError as error:
                _logger.warning("old sessions could not be deleted: %s", error)
            await anyio.sleep(SWEEP)


def _folder(app: App) -> Path:
    return app.data / "auth"

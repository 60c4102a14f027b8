"""Hashing and checking passwords in worker threads. The one file that knows argon2.

Source: RFC 9106. A check takes a tenth of a second and tens of MiB on purpose, so that few run at
once and only so many wait.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

import anyio
from anyio import to_thread

from pegboard.errors import UnavailableError
from pegboard_auth.config import AuthConfig

if TYPE_CHECKING:
    from argon2 import PasswordHasher

__all__ = ["Passwords"]

T = TypeVar("T")

RETRY = 5.0  # seconds


class Passwords:
    """Hashes and checks.

    Args:
        config: How costly that is, and how many may do it.
    """

    def __init__(self, config: AuthConfig) -> None:
        self._config = config
        self._limiter = anyio.CapacityLimiter(config.password_threads)
        self._queue = config.password_queue
        self._nobody: str | None = None
        self._making = Lock()

    @cached_property
    def _hasher(self) -> PasswordHasher:
        from argon2 import PasswordHasher  # here, since a server starts without it

        return PasswordHasher(
            time_cost=self._config.argon2_time,
            memory_cost=self._config.argon2_memory,
            parallelism=self._config.argon2_lanes,
        )

    async def hash(self, password: str) -> str:
        """Return the hash of a password.

        Raises:
            UnavailableError: If too many wait already.
        """
        return await self._in_thread(lambda: self._hasher.hash(password))

    async def check(self, known: str | None, password: str) -> bool:
        """Whether a password is the one that was hashed.

        Args:
            known: The hash; None, for an account that is not there, takes as long.
            password: What was typed.

        Raises:
            UnavailableError: If too many wait already.
        """
        return await self._in_thread(lambda: self._check(known, password))

    def is_outdated(self, known: str) -> bool:
        """Whether a hash was made with other settings than those of now."""
        return self._hasher.check_needs_rehash(known)

    def _check(self, known: str | None, password: str) -> bool:
        from argon2.exceptions import InvalidHashError, VerificationError

        nobody = self._for_nobody()  # made by the first check, whoever is asked for
        try:
            self._hasher.verify(known or nobody, password)
        except (VerificationError, InvalidHashError, UnicodeEncodeError):
            return False
        return known is not None

    def _for_nobody(self) -> str:
        with self._making:
            if self._nobody is None:
                self._nobody = self._hasher.hash("the password of nobody")
            return self._nobody

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._limiter.statistics().tasks_waiting >= self._queue:
            msg = "too many sign-ins at once; try again in a few seconds"
            raise UnavailableError(msg, retry_after=RETRY)
        return await to_thread.run_sync(work, limiter=self._limiter)

"""Check-out locks by name: who works on what, for hours and over processes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from pegboard.errors import ForbiddenError, InputError
from pegboard_database import Database, Transaction
from pegboard_locking import _checkout_table as table
from pegboard_locking._bound import Bounds
from pegboard_locking._checkout import AuditEntry, Checkout
from pegboard_locking._takeover import take_over

__all__ = ["BOUNDS", "LockManager"]

T = TypeVar("T")

LONGEST = 1024  # characters of a name, a user or a comment
PAGE = 1000  # entries that one call answers, at most
BOUNDS = Bounds()


def nobody(_user: str) -> bool:
    """Answer that nobody may end the check-outs of others."""
    return False


class LockManager:
    """Who has what checked out, in a file that all processes share.

    A check-out belongs to a user, not to a process: it outlives both. It has a token, that only its
    owner is told, and a fence, a number that grows with each check-out of a name; whoever shows an
    old one is refused, however long it slept.

    Args:
        locks_file: The file, an SQLite database. One in JSON, as older programs left it, is taken
            over, and kept beside it with the suffix `.imported`.
        lease: Seconds after which a check-out ends unless it is renewed; None for never.
        may_override: Whether a user may end the check-outs of others; by default nobody may.
        clock: Answers the time, in seconds since 1970.
        bounds: How many entries of the trail are kept.

    Attributes:
        locks_file: The same.
        database: The database, open until `close`.

    Raises:
        CorruptError: If the file is damaged, or something else.
    """

    def __init__(
        self,
        locks_file: str | os.PathLike[str],
        *,
        lease: float | None = None,
        may_override: Callable[[str], bool] = nobody,
        clock: Callable[[], float] = time.time,
        bounds: Bounds = BOUNDS,
    ) -> None:
        self.locks_file = Path(locks_file)
        self.lease = lease
        self.clock = clock
        self._may_override = may_override
        self._bounds = bounds
        take_over(self.locks_file, now=clock())
        self.database = Database(self.locks_file, table.SCHEMA)

    # -- as documented ---------------------------------------------------------------------

    def load_locks(self) -> dict[str, dict[str, Any]]:
        """Return all check-outs: file name to `user`, `timestamp` and `message`.

        Raises:
            CorruptError: If the file is damaged: that does not mean that nothing is locked.
        """
        return {each.path: _documented(each) for each in self.checkouts()}

    def save_locks(self, locks: Mapping[str, Mapping[str, Any]]) -> None:
        """Make these all check-outs there are, in one step.

        Raises:
            InputError: If an entry has no `user`.
        """
        entries = [(_name(path), *_entry(path, entry)) for path, entry in locks.items()]

        def save(transaction: Transaction) -> None:
            now = self.clock()
            for each in table.everyone(transaction, now=now):
                table.release(transaction, each, each.owner, "replaced as a whole", now=now)
            transaction.execute("delete from checkout")
            for path, user, message in entries:
                table.take(transaction, path, user, message, now=now, lease=self.lease)

        self.change(save)

    def is_locked(self, filename: str) -> bool:
        """Whether somebody has the file checked out."""
        return self.find(filename) is not None

    def get_lock_info(self, filename: str) -> dict[str, Any] | None:
        """Return who has the file checked out: `user`, `timestamp`, `message`; None for nobody."""
        found = self.find(filename)
        return None if found is None else _documented(found)

    def acquire_lock(
        self, filename: str, user: str, message: str = "", *, lease: float | None = None
    ) -> Checkout:
        """Check a file out.

        Args:
            filename: Any text that is not empty; a path, for most.
            user: Who has it from now on.
            message: What for.
            lease: Seconds after which it ends; None for what the manager was made with.

        Raises:
            CheckedOutError: If somebody has it, the same user too; a `ValueError`.
            InputError: If a text is empty or above 1,024 characters.
        """
        path, user, message = _name(filename), _user(user), _text(message)
        seconds = self.lease if lease is None else lease
        now = self.clock()
        self.database.read(lambda rows: table.refuse_taken(rows, path, now=now))
        return self.write(table.take, path, user, message, lease=seconds)

    def release_lock(self, filename: str, user: str) -> None:
        """Give a file back.

        Raises:
            NotCheckedOutError: If nobody has it; a `ValueError`.
            NotOwnerError: If somebody else has it; a `ValueError`.
        """

        def release(transaction: Transaction) -> None:
            now = self.clock()
            found = table.require(transaction, filename, now=now, owner=user)
            table.release(transaction, found, user, "", now=now)

        self.change(release)

    # -- and more --------------------------------------------------------------------------

    def find(self, filename: str) -> Checkout | None:
        """Return the check-out of a file, without its token; None where there is none."""
        now = self.clock()
        found = self.database.read(lambda rows: table.current(rows, filename, now=now))
        return None if found is None else msgspec.structs.replace(found, token="")

    def checkouts(self, prefix: str = "") -> list[Checkout]:
        """Return all check-outs of names that begin so, without their tokens, by name."""
        now = self.clock()
        return self.database.read(lambda rows: table.everyone(rows, now=now, prefix=prefix))

    def renew(
        self,
        filename: str,
        user: str,
        *,
        token: str | None = None,
        fence: int | None = None,
        lease: float | None = None,
    ) -> Checkout:
        """Let a check-out last for a lease from now on.

        Args:
            filename: The file.
            user: Who has it.
            token: That of the check-out; None leaves it to the user's name.
            fence: That of the check-out; None for the same.
            lease: Seconds; None for what the manager was made with.

        Raises:
            NotCheckedOutError: If nobody has it.
            NotOwnerError: If somebody else has it.
            StaleCheckoutError: If it is a later one than that of token or fence.
        """
        seconds = self.lease if lease is None else lease

        def renew(transaction: Transaction) -> Checkout:
            now = self.clock()
            shown = {"owner": user, "token": token}
            found = table.require(transaction, filename, now=now, fence=fence, **shown)
            return table.renew(transaction, found, now=now, lease=seconds)

        return self.change(renew)

    def break_lock(self, filename: str, user: str, reason: str) -> Checkout:
        """End the check-out of somebody else, who cannot check in any more, and return it.

        Raises:
            ForbiddenError: If the user may not.
            InputError: If no reason is given.
            NotCheckedOutError: If nobody has it.
        """
        self._require_override(user, reason)
        ended = self.write(table.break_open, filename, user, reason, action="break")
        return msgspec.structs.replace(ended, token="")

    def steal_lock(
        self, filename: str, user: str, reason: str, *, lease: float | None = None
    ) -> Checkout:
        """Take over the check-out of somebody else, who cannot check in any more.

        Raises:
            ForbiddenError: If the user may not.
            InputError: If no reason is given.
            NotCheckedOutError: If nobody has it.
        """
        self._require_override(user, reason)
        seconds = self.lease if lease is None else lease

        def steal(transaction: Transaction) -> Checkout:
            now = self.clock()
            table.break_open(transaction, filename, user, reason, now=now, action="steal")
            return table.take(transaction, filename, user, reason, now=now, lease=seconds)

        return self.change(steal)

    def audit(
        self,
        filename: str | None = None,
        *,
        after: int = 0,
        before: int | None = None,
        limit: int = 100,
    ) -> list[AuditEntry]:
        """Return what was done, to one file or to all.

        Args:
            filename: The file; None for all.
            after: Only entries above this number, the oldest first.
            before: Only entries below this number, the newest first.
            limit: Entries, at most 1,000.
        """
        count = min(limit, PAGE)
        return self.database.read(
            lambda rows: table.trail(rows, path=filename, after=after, before=before, limit=count)
        )

    def close(self) -> None:
        """Close the file; calling it again does nothing."""
        self.database.close()

    def write(self, work: Callable[..., T], *args: Any, **keywords: Any) -> T:
        """Run a function of the table of check-outs, at the time of the transaction.

        A process may sleep before it: only what the clock says then counts.
        """
        return self.change(lambda rows: work(rows, *args, now=self.clock(), **keywords))

    def change(self, work: Callable[[Transaction], T]) -> T:
        """Run a function in a transaction, which keeps the trail within its bounds, too."""

        def bounded(transaction: Transaction) -> T:
            answer = work(transaction)
            table.trim(transaction, self._bounds.audit)
            return answer

        return self.database.write(bounded)

    def _require_override(self, user: str, reason: str) -> None:
        _user(user)
        if not reason.strip():
            msg = "whoever ends the check-out of somebody else has to say why"
            raise InputError(msg)
        _text(reason)
        if not self._may_override(user):
            msg = f"{user} may not end the check-outs of others"
            raise ForbiddenError(msg)


def _documented(checkout: Checkout) -> dict[str, Any]:
    timestamp = checkout.taken_at.isoformat()
    return {"user": checkout.owner, "timestamp": timestamp, "message": checkout.comment}


def _name(value: str) -> str:
    if not value or "\0" in value:
        msg = "a file needs a name, without NUL characters"
        raise InputError(msg)
    return _text(value)


def _user(value: str) -> str:
    if not value.strip():
        msg = "a user needs a name"
        raise InputError(msg)
    return _text(value)


def _text(value: str) -> str:
    if len(value) > LONGEST:
        msg = f"a name, user or message has at most {LONGEST} characters, not {len(value)}"
        raise InputError(msg)
    try:
        value.encode()
    except UnicodeEncodeError as error:
        msg = "a name, user or message is text that can be written as UTF-8"
        raise InputError(msg) from error
    return value


def _entry(path: str, entry: Any) -> tuple[str, str]:
    try:
        return _user(str(entry["user"])), _text(str(entry.get("message", "")))
    except (KeyError, TypeError, AttributeError) as error:
        msg = f"the entry of {path} has no user"
        raise InputError(msg) from error

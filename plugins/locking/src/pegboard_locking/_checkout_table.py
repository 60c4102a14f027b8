"""The rows of check-outs: every rule about who may do what, each in one transaction.

The functions take the time as an argument. All processes of a machine have one clock, and only the
comparison inside the transaction counts: what a process knew before is of no matter.
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

from pegboard_database import Schema, Snapshot, Transaction
from pegboard_locking._bound import Bounds
from pegboard_locking._checkout import AuditEntry, Checkout, Content, Version
from pegboard_locking._error import (
    CheckedOutError,
    NotCheckedOutError,
    NotOwnerError,
    StaleCheckoutError,
)

__all__ = [
    "SCHEMA",
    "add_version",
    "all_pending",
    "audit",
    "audit_version",
    "break_open",
    "current",
    "every_path",
    "everyone",
    "has_contained",
    "head",
    "is_named",
    "pend",
    "pending",
    "refuse_taken",
    "release",
    "renew",
    "require",
    "settled",
    "surplus",
    "take",
    "take_surplus",
    "trail",
    "trim",
    "versions",
]

SCHEMA = Schema(
    "checkouts",
    [
        """
        create table checkout (
            path text primary key, owner text not null, token text not null,
            fence integer not null, comment text not null, taken_at text not null,
            expires_at text, expires real, base_version integer not null
        ) strict, without rowid;
        create table fence (path text primary key, last integer not null) strict, without rowid;
        create table version (
            path text not null, number integer not null, size integer not null,
            digest text not null, author text not null, comment text not null,
            created_at text not null, fence integer not null, primary key (path, number)
        ) strict, without rowid;
        create table pending (path text primary key, digest text not null) strict, without rowid;
        create table audit (
            seq integer primary key autoincrement, at text not null, path text not null,
            action text not null, who text not null, owner text not null,
            fence integer not null, reason text not null
        ) strict;
        create index audit_path on audit (path, seq);
        """,
        "create index version_digest on version (digest);",
    ],
)

COLUMNS = "path, owner, token, fence, comment, taken_at, expires_at, base_version"
ALIVE = "(expires is null or expires > :now)"

NEXT_FENCE = """
insert into fence values (?, 1) on conflict do update set last = last + 1 returning last
"""
TAKE = """
insert or replace into checkout values (
    :path, :owner, :token, :fence, :comment, :taken_at, :expires_at, :expires, :base_version
)
"""
ADD_VERSION = """
insert into version values (
    :path, :number, :size, :digest, :author, :comment, :created_at, :fence
)
"""
SURPLUS = """
select number from version where path = :path and number < :newest and number is not (
    select base_version from checkout where path = :path
) and (
    number <= :newest - :versions or created_at < :before or number in (
        select number from (
            select number, sum(size) over (order by number desc) as total
            from version where path = :path and :size is not null
        ) where total > :size
    )
)
"""
AUDIT = """
insert into audit (at, path, action, who, owner, fence, reason)
values (:at, :path, :action, :who, :owner, :fence, :reason)
"""


def current(snapshot: Snapshot, path: str, *, now: float) -> Checkout | None:
    """Return the check-out of a path, with its token; one that has expired is none."""
    query = f"select {COLUMNS} from checkout where path = :path and {ALIVE}"  # noqa: S608 - constants
    return snapshot.first_as(Checkout, query, path=path, now=now)


def everyone(snapshot: Snapshot, *, now: float, prefix: str = "") -> list[Checkout]:
    """Return all check-outs of paths that begin so, without tokens, by path."""
    query = f"""
    select path, owner, fence, comment, taken_at, expires_at, base_version from checkout
    where {ALIVE} and substr(path, 1, length(:prefix)) = :prefix order by path
    """  # noqa: S608 - constants
    return snapshot.all_as(Checkout, query, prefix=prefix, now=now)


def refuse_taken(snapshot: Snapshot, path: str, *, now: float) -> None:
    """Refuse a path that somebody has; as a query of its own it holds nobody up.

    Raises:
        CheckedOutError: If somebody has it.
    """
    found = current(snapshot, path, now=now)
    if found is not None:
        msg = f"File already locked by {found.owner}"
        raise CheckedOutError(msg)


def take(
    transaction: Transaction,
    path: str,
    owner: str,
    comment: str,
    *,
    now: float,
    lease: float | None,
    action: str = "take",
) -> Checkout:
    """Check a path out.

    Raises:
        CheckedOutError: If somebody has it.
    """
    refuse_taken(transaction, path, now=now)
    _end_expired(transaction, path, now)
    newest = head(transaction, path)
    checkout = Checkout(
        path=path,
        owner=owner,
        token=secrets.token_hex(16),
        fence=transaction.value(NEXT_FENCE, path),
        comment=comment,
        taken_at=_time(now),
        expires_at=None if lease is None else _time(now + lease),
        base_version=0 if newest is None else newest.number,
    )
    expires = None if lease is None else now + lease
    transaction.execute(TAKE, **_columns(checkout), expires=expires)
    audit(transaction, checkout, action, owner, comment, now=now)
    return checkout


def require(
    snapshot: Snapshot,
    path: str,
    *,
    now: float,
    owner: str | None = None,
    token: str | None = None,
    fence: int | None = None,
) -> Checkout:
    """Return the check-out of a path, if it is the one that is meant.

    Raises:
        NotCheckedOutError: If nobody has it.
        NotOwnerError: If somebody else has it.
        StaleCheckoutError: If it is a later one than that of the token or the fence.
    """
    found = current(snapshot, path, now=now)
    is_stale = found is None or (
        (token is not None and not secrets.compare_digest(token, found.token))
        or (fence is not None and fence != found.fence)
    )
    if is_stale and (token is not None or fence is not None):
        state = "has ended" if found is None else f"is {found.owner}'s now"
        msg = f"the check-out of {path} {state}: nothing was changed"
        raise StaleCheckoutError(msg)
    if found is None:
        msg = "File is not locked"
        raise NotCheckedOutError(msg)
    if owner is not None and owner != found.owner:
        msg = f"Lock owned by {found.owner}, not {owner}"
        raise NotOwnerError(msg)
    return found


def renew(
    transaction: Transaction, checkout: Checkout, *, now: float, lease: float | None
) -> Checkout:
    """Let a check-out end later."""
    expires = None if lease is None else now + lease
    text = None if expires is None else _time(expires).isoformat()
    change = "update checkout set expires = ?, expires_at = ? where path = ?"
    transaction.execute(change, expires, text, checkout.path)
    found = current(transaction, checkout.path, now=now)
    return checkout if found is None else found


def release(
    transaction: Transaction,
    checkout: Checkout,
    who: str,
    reason: str,
    *,
    now: float,
    action: str = "release",
) -> None:
    """End a check-out."""
    transaction.execute("delete from checkout where path = ?", checkout.path)
    audit(transaction, checkout, action, who, reason, now=now)


def break_open(
    transaction: Transaction, path: str, who: str, reason: str, *, now: float, action: str
) -> Checkout:
    """End the check-out of somebody else and return it; whoever had it cannot check in any more.

    Raises:
        NotCheckedOutError: If nobody has it.
    """
    found = require(transaction, path, now=now)
    release(transaction, found, who, reason, now=now, action=action)
    return found


def head(snapshot: Snapshot, path: str) -> Version | None:
    """Return the newest version of a path."""
    query = "select * from version where path = ? order by number desc limit 1"
    return snapshot.first_as(Version, query, path)


def versions(snapshot: Snapshot, path: str, *, before: int | None, limit: int) -> list[Version]:
    """Return versions of a path, the newest first, from below the number `before` on."""
    query = """
    select * from version where path = :path and (:before is null or number < :before)
    order by number desc limit :limit
    """
    return snapshot.all_as(Version, query, path=path, before=before, limit=limit)


def add_version(
    transaction: Transaction,
    path: str,
    content: Content,
    *,
    author: str,
    comment: str,
    fence: int,
    now: float,
) -> Version:
    """Number a content; the number is taken here, so that no two versions have the same."""
    newest = head(transaction, path)
    version = Version(
        path=path,
        number=1 if newest is None else newest.number + 1,
        size=content.size,
        digest=content.digest,
        author=author,
        comment=comment,
        created_at=_time(now),
        fence=fence,
    )
    transaction.execute(ADD_VERSION, **_columns(version))
    return version


def surplus(snapshot: Snapshot, path: str, bounds: Bounds, *, now: float) -> list[int]:
    """Return the numbers of the versions of a path that are not to be kept."""
    newest = head(snapshot, path)
    if newest is None:
        return []
    before = None if bounds.age is None else _time(now - bounds.age).isoformat()
    limits = {"versions": bounds.versions, "size": bounds.size, "before": before}
    return [row[0] for row in snapshot.all(SURPLUS, path=path, newest=newest.number, **limits)]


def take_surplus(transaction: Transaction, path: str, bounds: Bounds, *, now: float) -> list[str]:
    """Take these versions away; return what they contained."""
    query = "delete from version where path = ? and number = ? returning digest"
    numbers = surplus(transaction, path, bounds, now=now)
    return [transaction.value(query, path, number) for number in numbers]


def is_named(snapshot: Snapshot, digest: str) -> bool:
    """Whether a version, or what has to be put in its place, has a content."""
    query = """
    select exists (select 1 from version where digest = :digest)
        or exists (select 1 from pending where digest = :digest)
    """
    return bool(snapshot.value(query, digest=digest))


def every_path(snapshot: Snapshot) -> list[str]:
    """Return the paths that have versions."""
    return [row[0] for row in snapshot.all("select distinct path from version")]


def has_contained(snapshot: Snapshot, path: str, digest: str) -> bool:
    """Whether a version of a path has a content."""
    query = "select 1 from version where path = ? and digest = ?"
    return snapshot.value(query, path, digest) is not None


def trim(transaction: Transaction, most: int | None) -> None:
    """Take away the oldest entries of the trail above a number."""
    if most is not None:
        query = "delete from audit where seq <= (select max(seq) from audit) - ?"
        transaction.execute(query, most)


def pend(transaction: Transaction, version: Version) -> None:
    """Note that the content of a version has to be put in its place."""
    insert = "insert or replace into pending values (?, ?)"
    transaction.execute(insert, version.path, version.digest)


def pending(snapshot: Snapshot, path: str) -> str | None:
    """Return the digest of the content that has to be put in its place."""
    digest: str | None = snapshot.value("select digest from pending where path = ?", path)
    return digest


def all_pending(snapshot: Snapshot) -> list[str]:
    """Return the paths whose contents have to be put in their places."""
    return [row[0] for row in snapshot.all("select path from pending")]


def settled(transaction: Transaction, path: str, digest: str) -> None:
    """Note that a content is in its place."""
    transaction.execute("delete from pending where path = ? and digest = ?", path, digest)


def audit(
    transaction: Transaction, checkout: Checkout, action: str, who: str, reason: str, *, now: float
) -> None:
    """Write down what was done to a check-out."""
    owner = "" if action == "take" else checkout.owner
    facts = {"owner": owner, "fence": checkout.fence, "reason": reason}
    transaction.execute(
        AUDIT, at=_time(now).isoformat(), path=checkout.path, action=action, who=who, **facts
    )


def audit_version(transaction: Transaction, version: Version, action: str, *, now: float) -> None:
    """Write down that a version came without a check-out."""
    facts = {"owner": "", "fence": 0, "reason": version.comment}
    at = _time(now).isoformat()
    transaction.execute(AUDIT, at=at, path=version.path, action=action, who=version.author, **facts)


def trail(
    snapshot: Snapshot, *, path: str | None, after: int, before: int | None, limit: int
) -> list[AuditEntry]:
    """Return what was done: the oldest entries after a number, or the newest below one."""
    order = "desc" if before is not None else "asc"
    query = f"""
    select * from audit where (:path is null or path = :path) and seq > :after
    and (:before is null or seq < :before) order by seq {order} limit :limit
    """  # noqa: S608 - constants
    values: dict[str, Any] = {"path": path, "after": after, "before": before, "limit": limit}
    return snapshot.all_as(AuditEntry, query, **values)


def _end_expired(transaction: Transaction, path: str, now: float) -> None:
    """Write down that the check-out of a path ended, if there is one: its time was over."""
    query = f"select {COLUMNS} from checkout where path = ?"  # noqa: S608 - constants
    over = transaction.first_as(Checkout, query, path)
    if over is not None:
        release(transaction, over, over.owner, "its time was over", now=now, action="expire")


def _columns(row: Checkout | Version) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in row.__struct_fields__}
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
    }


def _time(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, UTC)

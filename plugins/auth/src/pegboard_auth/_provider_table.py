"""Who is known by which identity at which provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pegboard.errors import ConflictError
from pegboard_database import Changes, ConstraintError, Rows

if TYPE_CHECKING:
    from pegboard_auth._provider import Profile

__all__ = ["add_identity", "end_identities", "issuers_of", "uid_of"]


def uid_of(rows: Rows, profile: Profile) -> str | None:
    """Return the account of an identity, None where nobody is known by it."""
    query = "select uid from identities where issuer = ? and subject = ?"
    found: str | None = rows.value(query, profile.issuer, profile.subject)
    return found


def add_identity(tables: Changes, profile: Profile, uid: str, now: float) -> None:
    """Let an account be known by an identity.

    Raises:
        ConflictError: If it is another account's.
    """
    insert = "insert into identities (issuer, subject, uid, created_at) values (?, ?, ?, ?)"
    try:
        tables.execute(insert, profile.issuer, profile.subject, uid, now)
    except ConstraintError as error:
        msg = "somebody else here is known by that account already"
        raise ConflictError(msg) from error


def end_identities(tables: Changes, uid: str) -> None:
    """Forget all identities of an account."""
    tables.execute("delete from identities where uid = ?", uid)


def issuers_of(rows: Rows, uid: str) -> list[str]:
    """Return the providers at which an account is known."""
    query = "select distinct issuer from identities where uid = ? order by issuer"
    return [issuer for (issuer,) in rows.all(query, uid)]

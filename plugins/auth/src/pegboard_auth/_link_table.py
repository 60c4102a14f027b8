"""One-time links in the database."""

from __future__ import annotations

from typing import Literal

import msgspec

from pegboard_auth._opaque import Opaque
from pegboard_database import Snapshot, Transaction

__all__ = ["Link", "Purpose", "add_link", "find_link", "use_link"]

Purpose = Literal["setup", "password", "sign_in"]
"""To make the first administrator, to set a password, to sign in."""


class Link(msgspec.Struct, frozen=True):
    """What a good link is for.

    Attributes:
        purpose: What it does.
        uid: For whom, None for the first administrator.
    """

    purpose: Purpose
    uid: str | None


def add_link(
    transaction: Transaction, purpose: Purpose, uid: str | None, expires_at: float
) -> Opaque:
    """Make a link; older ones of an account for the same are good no more."""
    transaction.execute("delete from links where purpose = ? and uid = ?", purpose, uid)
    link = Opaque.make("pbl")
    transaction.execute(
        "insert into links values (?, ?, ?, ?, ?, null)",
        link.id,
        uid,
        purpose,
        link.digest,
        expires_at,
    )
    return link


def find_link(snapshot: Snapshot, link: Opaque, now: float) -> Link | None:
    """Return what a link is for, None where it is not good."""
    row = snapshot.first(
        "select purpose, uid, digest from links"
        " where id = ? and used_at is null and expires_at > ?",
        link.id,
        now,
    )
    return Link(row[0], row[1]) if row is not None and link.fits(row[2]) else None


def use_link(transaction: Transaction, link: Opaque, now: float) -> Link | None:
    """Use up a link and return what it was for, None where it is not good."""
    found = find_link(transaction, link, now)
    if found is not None:
        transaction.execute("update links set used_at = ? where id = ?", now, link.id)
    return found

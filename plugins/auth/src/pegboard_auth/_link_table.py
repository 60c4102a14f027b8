"""One-time links in the database."""

from __future__ import annotations

from typing import Literal

import msgspec

from pegboard_auth._opaque import Opaque
from pegboard_database import Changes, Rows

__all__ = ["Link", "Purpose", "add_link", "end_links", "find_link", "use_link"]

Purpose = Literal["setup", "password", "sign_in", "mail"]
"""To make the first administrator, to set a password, to sign in, to confirm a mail address."""


class Link(msgspec.Struct, frozen=True):
    """What a good link is for.

    Attributes:
        purpose: What it does.
        uid: For whom, None for the first administrator.
        detail: The mail address that it was sent to, where it confirms one.
    """

    purpose: Purpose
    uid: str | None
    detail: str = ""


def add_link(
    transaction: Changes, purpose: Purpose, uid: str | None, expires_at: float, *, detail: str = ""
) -> Opaque:
    """Make a link; older ones of an account for the same are good no more."""
    transaction.execute("delete from links where purpose = ? and uid = ?", purpose, uid)
    link = Opaque.make("pbl")
    transaction.execute(
        "insert into links (id, uid, purpose, digest, expires_at, detail)"
        " values (?, ?, ?, ?, ?, ?)",
        link.id,
        uid,
        purpose,
        link.digest,
        expires_at,
        detail,
    )
    return link


def end_links(transaction: Changes, uid: str) -> None:
    """Let no link of an account be good any more."""
    transaction.execute("delete from links where uid = ?", uid)


def find_link(snapshot: Rows, link: Opaque, now: float) -> Link | None:
    """Return what a link is for, None where it is not good."""
    row = snapshot.first(
        "select purpose, uid, detail, digest from links"
        " where id = ? and used_at is null and expires_at > ?",
        link.id,
        now,
    )
    return Link(*row[:3]) if row is not None and link.fits(row[3]) else None


def use_link(transaction: Changes, link: Opaque, now: float) -> Link | None:
    """Use up a link and return what it was for, None where it is not good."""
    found = find_link(transaction, link, now)
    if found is not None:
        transaction.execute("update links set used_at = ? where id = ?", now, link.id)
    return found

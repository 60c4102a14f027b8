"""What is known of a check-out, of a version, and of what was done."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import msgspec

__all__ = ["AuditEntry", "Checkout", "Content", "Version"]


class Content(NamedTuple):
    """A content that is kept.

    Attributes:
        digest: SHA-256, in hexadecimal.
        size: Bytes.
    """

    digest: str
    size: int


class Checkout(msgspec.Struct, frozen=True, kw_only=True):
    """A file that somebody has checked out.

    Attributes:
        path: The file.
        owner: Who has it.
        token: What only its owner is told; empty for everyone else.
        fence: Number of the check-out, higher with each one of the path, for ever.
        comment: What the owner said.
        taken_at: When it was taken.
        expires_at: When it ends by itself; None for never.
        base_version: Version that the owner began with, 0 for a path without versions.
    """

    path: str
    owner: str
    token: str = ""
    fence: int
    comment: str
    taken_at: datetime
    expires_at: datetime | None
    base_version: int


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A content that a file has had.

    Attributes:
        path: The file.
        number: From 1 on, without gaps.
        size: Bytes.
        digest: SHA-256 of the content, in hexadecimal.
        author: Who checked it in.
        comment: What they said.
        created_at: When it was checked in.
        fence: The check-out under which it came; 0 for what was found in the folder.
    """

    path: str
    number: int
    size: int
    digest: str
    author: str
    comment: str
    created_at: datetime
    fence: int


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was done to a check-out.

    Attributes:
        seq: Number of the entry, higher with each.
        at: When.
        path: To what file.
        action: `take`, `release`, `checkin`, `expire`, `steal` or `break`; `add` for a new file,
            `adopt` for a content that was found in the folder.
        who: By whom.
        owner: Whose check-out it was before; empty where there was none.
        fence: Number of the check-out.
        reason: What they said.
    """

    seq: int
    at: datetime
    path: str
    action: str
    who: str
    owner: str
    fence: int
    reason: str

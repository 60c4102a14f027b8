"""What is kept of accounts, sessions, keys and events, as others see it: no hash, no secret."""

from __future__ import annotations

import msgspec

__all__ = ["Account", "AuditEvent", "KeyRecord", "SessionRecord"]


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who may sign in.

    Attributes:
        uid: Stable identity.
        name: Name that people read and sign in with.
        level: 1 user, 5 moderator, 10 administrator.
        has_password: Whether a password was set.
        disabled: Whether it is kept out.
        created_at: When it was made, seconds since 1970.
        mail: Where it gets mail, None for nowhere.
    """

    uid: str
    name: str
    level: int
    has_password: bool
    disabled: bool
    created_at: float
    mail: str | None = None


class SessionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One session of an account that has not ended.

    Attributes:
        sid: Its identity.
        kind: `cookie` of a browser, or `token` of a program.
        created_at: When it began.
        seen_at: When it was last renewed.
        expires_at: When it ends at the latest.
        client: Address that it began from.
        agent: What the client called itself then.
    """

    sid: str
    kind: str
    created_at: float
    seen_at: float
    expires_at: float
    client: str
    agent: str


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One API key.

    Attributes:
        id: Its identity, a part of the key that is not secret.
        title: What its owner calls it.
        level: Highest level that it gives.
        scopes: What it may call, empty for all.
        created_at: When it was made.
        expires_at: When it ends, None for never.
    """

    id: str
    title: str
    level: int
    scopes: tuple[str, ...] = ()
    created_at: float
    expires_at: float | None


class AuditEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the audit trail.

    Attributes:
        id: Its number.
        at: When it happened.
        event: What happened, such as `sign_in`.
        uid: The account that it happened to, empty for none.
        actor: Who did it: an account, `cli`, or empty for somebody unknown.
        client: Address that it came from.
        detail: More of it, for people; no secrets.
    """

    id: int
    at: float
    event: str
    uid: str
    actor: str
    client: str
    detail: str

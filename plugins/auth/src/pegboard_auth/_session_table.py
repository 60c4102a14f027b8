"""Sessions and refresh tokens in the database."""

from __future__ import annotations

import secrets

import msgspec

from pegboard_auth._opaque import Opaque
from pegboard_auth._record import SessionRecord
from pegboard_auth._trail import Actor, note_change
from pegboard_database import Snapshot, Transaction

__all__ = [
    "Refreshed",
    "Standing",
    "add_refresh",
    "add_session",
    "end_session",
    "end_sessions",
    "renew_session",
    "sessions_of",
    "standing_of",
    "use_refresh",
]

AGENT_MAX = 200  # characters


class Standing(msgspec.Struct, frozen=True):
    """Who a session or key stands for, if it is good.

    Attributes:
        uid: The account.
        name: Its name.
        level: Its level.
        expires_at: When the session or key ends, None for never.
    """

    uid: str
    name: str
    level: int
    expires_at: float | None


class Refreshed(msgspec.Struct, frozen=True):
    """What became of a refresh token.

    Attributes:
        sid: Its session; empty if the token is unknown.
        uid: The account of it.
        reused: Whether it was used before, so that the session has been ended.
        good: Whether it may be exchanged.
    """

    sid: str = ""
    uid: str = ""
    reused: bool = False
    good: bool = False


def add_session(
    transaction: Transaction,
    uid: str,
    *,
    kind: str,
    now: float,
    lifetime: float,
    most: int,
    actor: Actor,
) -> str:
    """Begin a session, and end the oldest where an account has too many; return its id."""
    sid = secrets.token_hex(16)
    transaction.execute(
        "insert into sessions values (?, ?, ?, ?, ?, ?, ?, ?, null, null)",
        sid,
        uid,
        kind,
        now,
        now,
        now + lifetime,
        actor.client,
        actor.agent[:AGENT_MAX],
    )
    surplus = transaction.all(
        """select sid from sessions where uid = ? and ended_at is null
            order by sid = ? desc, seen_at desc, sid limit -1 offset ?""",
        uid,
        sid,
        most,
    )
    for (old,) in surplus:
        end_session(transaction, old, "too many sessions", now)
    return sid


def renew_session(transaction: Transaction, sid: str, now: float) -> None:
    """Note that a session is in use."""
    transaction.execute("update sessions set seen_at = ? where sid = ?", now, sid)


def end_session(transaction: Transaction, sid: str, why: str, now: float) -> bool:
    """End a session; False if it has ended or never was."""
    ended = transaction.execute(
        "update sessions set ended_at = ?, ended_why = ? where sid = ? and ended_at is null",
        now,
        why,
        sid,
    )
    if ended:
        note_change(transaction, sid, now)
    return bool(ended)


def end_sessions(transaction: Transaction, uid: str, why: str, now: float, *, but: str = "") -> int:
    """End all sessions of an account, but for one; return how many."""
    rows = transaction.all(
        "select sid from sessions where uid = ? and ended_at is null and sid != ?", uid, but
    )
    return sum(end_session(transaction, sid, why, now) for (sid,) in rows)


def sessions_of(snapshot: Snapshot, uid: str, now: float) -> list[SessionRecord]:
    """Return the sessions of an account that have not ended, the newest first."""
    return snapshot.all_as(
        SessionRecord,
        """select sid, kind, created_at, seen_at, expires_at, client, agent from sessions
            where uid = ? and ended_at is null and expires_at > ? order by seen_at desc, sid""",
        uid,
        now,
    )


def standing_of(snapshot: Snapshot, sid: str, now: float) -> Standing | None:
    """Return who a session stands for, None where it is not good."""
    row = snapshot.first(
        """select a.uid, a.name, a.level, s.expires_at from sessions s join accounts a using (uid)
            where s.sid = ? and s.ended_at is null and s.expires_at > ?
            and a.disabled_at is null""",
        sid,
        now,
    )
    return None if row is None else Standing(*row)


def add_refresh(transaction: Transaction, sid: str, expires_at: float) -> Opaque:
    """Make a refresh token for a session."""
    token = Opaque.make("pbr")
    transaction.execute(
        "insert into refresh_tokens values (?, ?, ?, ?, null)",
        token.id,
        sid,
        token.digest,
        expires_at,
    )
    return token


def use_refresh(transaction: Transaction, token: Opaque, now: float) -> Refreshed:
    """Use up a refresh token; one that was used before ends its session (RFC 9700, 4.14.2)."""
    row = transaction.first(
        """select r.digest, r.sid, s.uid, r.used_at, r.expires_at
            from refresh_tokens r join sessions s using (sid) where r.id = ?""",
        token.id,
    )
    if row is None or not token.fits(row[0]):
        return Refreshed()
    _, sid, uid, used_at, expires_at = row
    if used_at is not None:
        end_session(transaction, sid, "a refresh token was used twice", now)
        return Refreshed(sid, uid, reused=True)
    transaction.execute("update refresh_tokens set used_at = ? where id = ?", now, token.id)
    good = expires_at > now and standing_of(transaction, sid, now) is not None
    return Refreshed(sid, uid, good=good)

"""Sessions and refresh tokens in the database."""

from __future__ import annotations

import secrets
from typing import Any

import msgspec

from pegboard_auth._opaque import Opaque
from pegboard_auth._record import SessionRecord
from pegboard_auth._trail import Actor, note_change
from pegboard_database import Changes, Rows

__all__ = [
    "Refreshed",
    "Standing",
    "add_refresh",
    "add_session",
    "end_session",
    "end_sessions",
    "expired",
    "own_subject",
    "own_values",
    "renew_session",
    "sessions_of",
    "set_own_values",
    "standing_of",
    "use_refresh",
]

AGENT_MAX = 200  # characters
ALL = 1 << 31  # rows: more than there can be


class Standing(msgspec.Struct, frozen=True):
    """Who a session or key stands for, if it is good.

    Attributes:
        uid: The account.
        name: Its name.
        level: Its level.
        expires_at: When the session or key ends, None for never.
        own: What mods keep in the session, as JSON.
    """

    uid: str
    name: str
    level: int
    expires_at: float | None
    own: str = "{}"


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
    transaction: Changes,
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
        "insert into sessions (sid, uid, kind, created_at, seen_at, expires_at, client, agent)"
        " values (?, ?, ?, ?, ?, ?, ?, ?)",
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
            order by sid = ? desc, seen_at desc, sid limit ? offset ?""",
        uid,
        sid,
        ALL,
        most,
    )
    for (old,) in surplus:
        end_session(transaction, old, "too many sessions", now)
    return sid


def renew_session(transaction: Changes, sid: str, now: float) -> None:
    """Note that a session is in use."""
    transaction.execute("update sessions set seen_at = ? where sid = ?", now, sid)


def end_session(transaction: Changes, sid: str, why: str, now: float) -> bool:
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


def end_sessions(transaction: Changes, uid: str, why: str, now: float, *, but: str = "") -> int:
    """End all sessions of an account, but for one; return how many."""
    rows = transaction.all(
        "select sid from sessions where uid = ? and ended_at is null and sid != ?", uid, but
    )
    return sum(end_session(transaction, sid, why, now) for (sid,) in rows)


def sessions_of(snapshot: Rows, uid: str, now: float) -> list[SessionRecord]:
    """Return the sessions of an account that have not ended, the newest first."""
    return snapshot.all_as(
        SessionRecord,
        """select sid, kind, created_at, seen_at, expires_at, client, agent from sessions
            where uid = ? and ended_at is null and expires_at > ? order by seen_at desc, sid""",
        uid,
        now,
    )


def standing_of(snapshot: Rows, sid: str, now: float) -> Standing | None:
    """Return who a session stands for, None where it is not good."""
    row = snapshot.first(
        """select a.uid, a.name, a.level, s.expires_at, s.own
            from sessions s join accounts a using (uid)
            where s.sid = ? and s.ended_at is null and s.expires_at > ?
            and a.disabled_at is null""",
        sid,
        now,
    )
    return None if row is None else Standing(*row)


def own_values(snapshot: Rows, sid: str) -> dict[str, Any] | None:
    """Return what mods keep in a session, None where it has ended or never was."""
    text = snapshot.value("select own from sessions where sid = ? and ended_at is null", sid)
    return None if text is None else msgspec.json.decode(text, type=dict[str, Any])


def set_own_values(transaction: Changes, sid: str, text: str, now: float) -> None:
    """Let mods keep other values in a session."""
    transaction.execute("update sessions set own = ? where sid = ?", text, sid)
    note_change(transaction, own_subject(sid), now)


def own_subject(sid: str) -> str:
    """Return what changes when mods keep other values: not the session, so that nothing closes."""
    return f"own:{sid}"


def expired(snapshot: Rows, after: float, until: float) -> list[str]:
    """Return the sessions that have reached their end in a span of time."""
    query = "select sid from sessions where expires_at > ? and expires_at <= ? and ended_at is null"
    return [sid for (sid,) in snapshot.all(query, after, until)]


def add_refresh(transaction: Changes, sid: str, expires_at: float) -> Opaque:
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


def use_refresh(transaction: Changes, token: Opaque, now: float) -> Refreshed:
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

"""API keys in the database."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from pegboard.errors import InputError
from pegboard_auth._opaque import Opaque
from pegboard_auth._record import KeyRecord
from pegboard_auth._session_table import Standing
from pegboard_auth._trail import note_change
from pegboard_database import Changes, Rows

__all__ = [
    "KeyStanding",
    "add_key",
    "end_key",
    "end_keys",
    "expired_keys",
    "key_standing",
    "keys_of",
    "subject_of",
]

TITLE_MAX = 80  # characters


class KeyStanding(msgspec.Struct, frozen=True):
    """Who an API key stands for.

    Attributes:
        standing: The account, with the level that the key gives.
        scopes: What it may call, empty for all.
    """

    standing: Standing
    scopes: tuple[str, ...]


def add_key(
    transaction: Changes,
    uid: str,
    *,
    title: str,
    level: int,
    scopes: Sequence[str],
    expires_at: float | None,
    most: int,
    now: float,
) -> Opaque:
    """Make an API key; its text is known this once.

    Raises:
        InputError: If the account has as many as it may.
    """
    query = """select count(*) from api_keys where uid = ? and ended_at is null
        and (expires_at is null or expires_at > ?)"""
    if transaction.value(query, uid, now) >= most:
        msg = f"an account has at most {most} API keys: delete one first"
        raise InputError(msg)
    key = Opaque.make("pbk")
    transaction.execute(
        "insert into api_keys values (?, ?, ?, ?, ?, ?, ?, ?, null)",
        key.id,
        uid,
        title[:TITLE_MAX],
        key.digest,
        level,
        msgspec.json.encode(scopes).decode(),
        now,
        expires_at,
    )
    return key


def keys_of(snapshot: Rows, uid: str) -> list[KeyRecord]:
    """Return the API keys of an account that were not deleted, the newest first."""
    rows = snapshot.all(
        """select id, title, level, scopes, created_at, expires_at from api_keys
            where uid = ? and ended_at is null order by created_at desc, id""",
        uid,
    )
    return [
        KeyRecord(
            id=row[0],
            title=row[1],
            level=row[2],
            scopes=msgspec.json.decode(row[3], type=tuple[str, ...]),
            created_at=row[4],
            expires_at=row[5],
        )
        for row in rows
    ]


def end_key(transaction: Changes, uid: str, key_id: str, now: float) -> bool:
    """Delete an API key of an account; False if it has none of that id."""
    ended = transaction.execute(
        "update api_keys set ended_at = ? where id = ? and uid = ? and ended_at is null",
        now,
        key_id,
        uid,
    )
    if ended:
        note_change(transaction, subject_of(key_id), now)
    return bool(ended)


def end_keys(transaction: Changes, uid: str, now: float) -> int:
    """Delete all API keys of an account; return how many."""
    rows = transaction.all("select id from api_keys where uid = ? and ended_at is null", uid)
    return sum(end_key(transaction, uid, key_id, now) for (key_id,) in rows)


def expired_keys(snapshot: Rows, after: float, until: float) -> list[str]:
    """Return the keys that have reached their end in a span of time, as subjects."""
    query = "select id from api_keys where expires_at > ? and expires_at <= ?"
    return [subject_of(key_id) for (key_id,) in snapshot.all(query, after, until)]


def subject_of(key_id: str) -> str:
    """Return what an API key is called where sessions are."""
    return f"key:{key_id}"


def key_standing(snapshot: Rows, key: Opaque, now: float) -> KeyStanding | None:
    """Return who an API key stands for, None where it is not good."""
    row = snapshot.first(
        """select a.uid, a.name, case when a.level < k.level then a.level else k.level end,
            k.expires_at, k.digest, k.scopes
            from api_keys k join accounts a using (uid)
            where k.id = ? and k.ended_at is null and (k.expires_at is null or k.expires_at > ?)
            and a.disabled_at is null""",
        key.id,
        now,
    )
    if row is None or not key.fits(row[4]):
        return None
    scopes = msgspec.json.decode(row[5], type=tuple[str, ...])
    return KeyStanding(Standing(*row[:4]), scopes)

"""What happened: the audit trail for people, and the changes that every worker follows."""

from __future__ import annotations

import logging
import unicodedata
from typing import NamedTuple

from pegboard_auth._record import AuditEvent
from pegboard_database import Changes, Rows

__all__ = ["Actor", "events", "forget_old", "last_change", "note_change", "record"]

DETAIL_MAX = 200  # characters
CHANGES_KEPT = 86_400.0  # seconds; a worker that was away for longer forgets all that it knew

_logger = logging.getLogger("pegboard.auth.audit")


class Actor(NamedTuple):
    """Who does something, and from where.

    Not a Struct, since the default of many functions is one: an instance with plain fields alone is
    invisible to the garbage collector, and its class would outlive a reload.

    Attributes:
        uid: The account, `cli`, or empty for somebody unknown.
        client: Address of the client.
        agent: What the client calls itself.
    """

    uid: str = ""
    client: str = ""
    agent: str = ""


def record(
    transaction: Changes,
    event: str,
    now: float,
    *,
    uid: str = "",
    actor: Actor,
    detail: str = "",
) -> None:
    """Add to the audit trail, in the transaction of what happened; and to the log."""
    shown, client = _printable(detail)[:DETAIL_MAX], _printable(actor.client)
    transaction.execute(
        "insert into audit (at, event, uid, actor, client, detail) values (?, ?, ?, ?, ?, ?)",
        now,
        event,
        uid,
        actor.uid,
        client,
        shown,
    )
    _logger.info(
        "%s account=%s by=%s from=%s %s", event, uid or "-", actor.uid or "-", client, shown
    )


def events(snapshot: Rows, limit: int, before: int | None = None) -> list[AuditEvent]:
    """Return the newest events, those before a number where one is given."""
    return snapshot.all_as(
        AuditEvent,
        "select id, at, event, uid, actor, client, detail from audit"
        " where id < ? order by id desc limit ?",
        before if before is not None else 1 << 62,
        limit,
    )


def note_change(transaction: Changes, subject: str, now: float) -> None:
    """Tell all workers that what they know of an account, session or key is not true any more."""
    transaction.execute("update change_count set value = value + 1")
    insert = "insert into changes (seq, subject, at) select value, ?, ? from change_count"
    transaction.execute(insert, subject, now)


def last_change(snapshot: Rows) -> int:
    """Return the number of the last change."""
    return int(snapshot.value("select value from change_count"))


def forget_old(transaction: Changes, now: float, *, audit_days: int) -> None:
    """Delete what nobody needs any more."""
    day = 86_400.0
    transaction.execute("delete from changes where at < ?", now - CHANGES_KEPT)
    transaction.execute("delete from audit where at < ?", now - audit_days * day)
    transaction.execute("delete from sessions where expires_at < ?", now - day)
    ended = "delete from api_keys where ended_at < ? or expires_at < ?"
    transaction.execute(ended, now - day, now - day)
    transaction.execute("delete from links where expires_at < ?", now - day)
    transaction.execute("delete from attempts where full_until < ?", now)


def _printable(text: str) -> str:
    """Return a text with which nobody can forge a line of the log, or colour a terminal."""
    return "".join(
        each if unicodedata.category(each)[0] != "C" and each not in "\u2028\u2029" else "?"
        for each in text
    )

"""The last states of files that were known, for the time when the service is away.

What is kept is what the service was given: encrypted files stay encrypted.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from datetime import UTC, datetime
from threading import Lock

import msgspec

from pegboard.errors import CorruptError
from pegboard_database import Database, Schema, Transaction
from pegboard_storage_cloud._frame import Frame, decode_frame, encode_frame

__all__ = ["COPIES", "Copies", "Copy"]

COPIES = Schema(
    "storage_cloud_copies",
    [
        """
        create table copy (
            target text not null,
            path text not null,
            version text not null,
            frame blob not null,
            size integer not null,
            seen_at text not null,
            primary key (target, path)
        ) strict;
        create index copy_seen on copy (seen_at, size);
        create table total (bytes integer not null) strict;
        insert into total values (0);
        """
    ],
)
"""The tables of the file."""

REFRESH = 30.0  # seconds for which a copy that did not change is not written again
NOTED = 10_000  # files that are remembered to have been
LARGEST = 8  # a copy may take an eighth of the room


class Copy(msgspec.Struct, frozen=True):
    """The last state that was known, and when."""

    frame: Frame
    seen_at: datetime


class Copies:
    """Copies of the files of one service.

    Args:
        database: Where they are kept; several processes may share it.
        target: What tells the service from others.
        limit: Bytes of all copies; those not seen for longest go first.
    """

    def __init__(self, database: Database, target: str, *, limit: int) -> None:
        self._database = database
        self._target = target
        self._limit = limit
        self._noted: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._lock = Lock()

    def note(self, path: str, frame: Frame) -> None:
        """Keep a state that the service has, unless a later one is kept."""
        if self._is_noted(path, frame.version):
            return
        raw = encode_frame(frame)
        if len(raw) <= self._limit // LARGEST:
            self._database.write(lambda transaction: self._note(transaction, path, frame, raw))

    def get(self, path: str) -> Copy | None:
        """Return the last state that was known."""
        query = "select frame, seen_at from copy where target = ? and path = ?"
        row = self._database.read(lambda snapshot: snapshot.first(query, self._target, path))
        if row is None:
            return None
        return Copy(decode_frame(row[0], f"the copy of {path}"), datetime.fromisoformat(row[1]))

    def _is_noted(self, path: str, version: str) -> bool:
        now = time.monotonic()
        with self._lock:
            known, when = self._noted.get(path, ("", 0.0))
            if known == version and now - when < REFRESH:
                return True
            self._noted[path] = (version, now)
            self._noted.move_to_end(path)
            if len(self._noted) > NOTED:
                self._noted.popitem(last=False)
            return False

    def _note(self, transaction: Transaction, path: str, frame: Frame, raw: bytes) -> None:
        row = transaction.first(
            "select frame, size from copy where target = ? and path = ?", self._target, path
        )
        if row is not None and _is_later(row[0], frame):
            return
        transaction.execute(
            "insert or replace into copy values (?, ?, ?, ?, ?, ?)",
            *(self._target, path, frame.version, raw, len(raw)),
            datetime.now(UTC).isoformat(),
        )
        growth = len(raw) - (0 if row is None else row[1])
        transaction.execute("update total set bytes = bytes + ?", growth)
        while transaction.value("select bytes from total") > self._limit:
            _drop_oldest(transaction)


def _is_later(kept: bytes, frame: Frame) -> bool:
    try:
        return frame.version in decode_frame(kept, "a copy").ancestors
    except CorruptError:
        return False


def _drop_oldest(transaction: Transaction) -> None:
    row = transaction.first("select rowid, size from copy order by seen_at limit 1")
    if row is None:
        transaction.execute("update total set bytes = 0")
        return
    transaction.execute("delete from copy where rowid = ?", row[0])
    transaction.execute("update total set bytes = bytes - ?", row[1])

"""Writes that a service has not taken yet, kept durably on this machine.

Rules:

- What waits for a file is sent in the order in which it was written, each on the condition of the
  one before, the first on the condition of what was last known of the file.
- A write that was never sent is replaced by the next one of the same file; one that was sent at
  least once stays as it is, since the service may have it.
- A write that the service refuses, since the file was changed there, stays as a conflict, with all
  that came after it, until somebody decides: `resolve`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec

from pegboard.contracts.storage import ABSENT
from pegboard.errors import ConflictError, NotFoundError, UnavailableError
from pegboard_database import Database, Schema, Snapshot, Transaction
from pegboard_storage_cloud._lineage import conflict
from pegboard_storage_cloud._remote import Write

__all__ = ["OUTBOX", "Outbox", "Waiting"]

State = Literal["waiting", "conflict"]

OUTBOX = Schema(
    "storage_cloud_outbox",
    [
        """
        create table waiting (
            id integer primary key autoincrement,
            target text not null,
            path text not null,
            version text not null,
            expected text not null,
            data blob,
            size integer not null,
            is_sent integer not null,
            state text not null,
            theirs text not null,
            made_at text not null
        ) strict;
        create index waiting_path on waiting (target, path, state, id);
        create index waiting_size on waiting (size);
        """
    ],
)
"""The tables of the file."""

LIST = (
    "select id, target, path, version, expected, size, is_sent, state, theirs, made_at "
    "from waiting where :target in ('', target) order by id"
)


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """One write that is kept.

    Attributes:
        id: Its number; later ones are higher.
        target: The service that it is for.
        path: The file's path there.
        version: Identity of the write.
        expected: Version that it replaces, `ABSENT` for none.
        size: Bytes of the content, -1 if it removes the file.
        is_sent: Whether the service may have it.
        state: `waiting`, or `conflict` if the file was changed by somebody else meanwhile.
        theirs: In a conflict the version that is there, `ABSENT` for none.
        made_at: When it was made.
        data: The content, if it was asked for.
    """

    id: int
    target: str
    path: str
    version: str
    expected: str
    size: int
    is_sent: bool
    state: State
    theirs: str
    made_at: datetime
    data: bytes | None = None

    @property
    def removes(self) -> bool:
        """Whether it removes the file."""
        return self.size < 0

    @property
    def write(self) -> Write:
        """The write to be sent."""
        return Write(version=self.version, data=self.data, expected=self.expected)


class Outbox:
    """The writes that wait for one service.

    Args:
        database: Where they are kept; several processes may share it.
        target: What tells the service from others.
        limit: Bytes that may be kept for all services.
    """

    def __init__(self, database: Database, target: str, *, limit: int) -> None:
        self._database = database
        self._target = target
        self._limit = limit

    def latest(self, path: str) -> Waiting | None:
        """Return the last write that waits for a file, with its content."""
        return self._database.read(lambda snapshot: self._last(snapshot, path))

    def append(self, path: str, write: Write, *, base: str, is_sent: bool) -> None:
        """Keep a write durably.

        Args:
            path: The file.
            write: The write.
            base: Version to replace if nothing waits for the file and the write expects none.
            is_sent: Whether the service may have it already.

        Raises:
            ConflictError: If another write waits than the one that it expects.
            UnavailableError: If the outbox is full.
        """
        self._database.write(lambda tx: self._append(tx, path, write, base=base, is_sent=is_sent))

    def claim(self, path: str) -> Waiting | None:
        """Return the first write that waits for a file, to be sent now; it stays as it is then."""
        return self._database.write(lambda transaction: self._claim(transaction, path))

    def settle(self, item: Waiting) -> None:
        """Remove a write that the service has."""
        self._database.write(lambda tx: tx.execute("delete from waiting where id = ?", item.id))

    def keep_both(self, item: Waiting, theirs: str) -> bool:
        """Make a refused write a conflict; False if another process has sent it meanwhile.

        What waits behind it was made from it, so the last of these is what is kept.
        """
        return self._database.write(lambda transaction: self._keep(transaction, item, theirs))

    def paths(self) -> list[str]:
        """Return the files that writes wait for, those first that wait longest."""
        query = (
            "select path from waiting where target = ? and state = 'waiting' "
            "group by path order by min(id)"
        )
        rows = self._database.read(lambda snapshot: snapshot.all(query, self._target))
        return [str(path) for (path,) in rows]

    def below(self, prefix: str) -> dict[str, bool]:
        """Return the files below a path that writes wait for, and whether they will be there."""
        query = (
            "select path, size >= 0 from waiting where target = ? and state = 'waiting' "
            "and substr(path, 1, ?) = ? order by id"
        )
        rows = self._database.read(
            lambda snapshot: snapshot.all(query, self._target, len(prefix), prefix)
        )
        return {str(path): bool(there) for path, there in rows}

    def items(self, *, all_targets: bool = False) -> Sequence[Waiting]:
        """Return the writes that are kept, without their contents."""
        target = "" if all_targets else self._target
        return self._database.read(lambda snapshot: snapshot.all_as(Waiting, LIST, target=target))

    def get(self, number: int) -> Waiting:
        """Return one write with its content.

        Raises:
            NotFoundError: If there is none of that number.
        """
        return self._database.read(lambda snapshot: _item(snapshot, number))

    def resolve(self, number: int, keep: Literal["mine", "theirs"]) -> None:
        """Decide a conflict: send what is kept here after all, or forget it.

        Raises:
            NotFoundError: If there is no conflict of that number.
            ConflictError: If another write waits for the file already.
        """
        self._database.write(lambda transaction: _resolve(transaction, number, keep))

    def _last(self, snapshot: Snapshot, path: str) -> Waiting | None:
        return snapshot.first_as(
            Waiting,
            "select * from waiting where target = ? and path = ? "
            "and state = 'waiting' order by id desc limit 1",
            self._target,
            path,
        )

    def _append(
        self, transaction: Transaction, path: str, write: Write, *, base: str, is_sent: bool
    ) -> None:
        last = self._last(transaction, path)
        size = -1 if write.data is None else len(write.data)
        self._check_room(transaction, size)
        now = datetime.now(UTC).isoformat()
        if last is not None and not _follows(last, write):
            raise conflict(path, write)
        if last is not None and not last.is_sent:
            transaction.execute(
                "update waiting set version = ?, data = ?, size = ?, made_at = ?, is_sent = ? "
                "where id = ?",
                *(write.version, write.data, size, now, is_sent, last.id),
            )
            return
        expected = base if write.expected is None else write.expected
        transaction.execute(
            "insert into waiting (target, path, version, expected, data, size, is_sent, state, "
            "theirs, made_at) values (?, ?, ?, ?, ?, ?, ?, 'waiting', '', ?)",
            *(self._target, path, write.version, expected if last is None else last.version),
            *(write.data, size, is_sent, now),
        )

    def _check_room(self, transaction: Transaction, size: int) -> None:
        kept = transaction.value("select coalesce(sum(size), 0) from waiting where size > 0")
        if kept + size > self._limit:
            msg = (
                f"the outbox holds {kept} bytes and takes no more (outbox_bytes = {self._limit}): "
                "the service has to come back first"
            )
            raise UnavailableError(msg)

    def _claim(self, transaction: Transaction, path: str) -> Waiting | None:
        first = transaction.first_as(
            Waiting,
            "select * from waiting where target = ? and path = ? "
            "and state = 'waiting' order by id limit 1",
            self._target,
            path,
        )
        if first is not None and not first.is_sent:
            transaction.execute("update waiting set is_sent = 1 where id = ?", first.id)
        return first

    def _keep(self, transaction: Transaction, item: Waiting, theirs: str) -> bool:
        rows = transaction.all(
            "select id from waiting where target = ? and path = ? and state = 'waiting' "
            "order by id",
            self._target,
            item.path,
        )
        ids = [number for (number,) in rows]
        if item.id not in ids:
            return False
        transaction.execute_many("delete from waiting where id = ?", [(each,) for each in ids[:-1]])
        transaction.execute(
            "update waiting set state = 'conflict', theirs = ? where id = ?", theirs, ids[-1]
        )
        return True


def _follows(last: Waiting, write: Write) -> bool:
    """Whether a write expects what the last one before it leaves."""
    if write.expected is None or write.expected == last.version:
        return True
    return write.expected == ABSENT and last.removes


def _item(snapshot: Snapshot, number: int) -> Waiting:
    query = "select * from waiting where id = ?"
    found = snapshot.first_as(Waiting, query, number)
    if found is None:
        raise NotFoundError(f"nothing of number {number} is in the outbox")
    return found


def _resolve(transaction: Transaction, number: int, keep: str) -> None:
    item = _item(transaction, number)
    if item.state != "conflict":
        raise NotFoundError(f"number {number} is no conflict: it waits to be sent")
    if keep == "theirs":
        transaction.execute("delete from waiting where id = ?", number)
        return
    query = "select 1 from waiting where target = ? and path = ? and state = 'waiting'"
    if transaction.first(query, item.target, item.path):
        raise ConflictError(f"another write waits for {item.path}: let it be sent first")
    transaction.execute(
        "update waiting set state = 'waiting', expected = theirs, is_sent = 0 where id = ?", number
    )

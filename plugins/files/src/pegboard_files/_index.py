"""Where in an archive everything lies: a SQLite file that can be made anew from the segments."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from threading import Lock

import msgspec

from pegboard_database import CorruptError, Database, Schema, Transaction
from pegboard_files._record import Drop, EntryRecord, ObjectRecord
from pegboard_files._segment import Found

__all__ = ["Entry", "Index", "Place", "Position"]

_SCHEMA = Schema(
    "files-archive",
    [
        """
        create table segment (
            number integer primary key, scanned integer not null, sealed integer not null
        ) strict;
        create table object (
            id blob primary key, segment integer not null, start integer not null,
            length integer not null, size integer not null, base blob, spent integer not null
        ) strict, without rowid;
        create index object_segment on object (segment);
        create table entry (
            key blob not null, number integer not null, segment integer not null,
            start integer not null, length integer not null, content blob not null,
            primary key (key, number)
        ) strict, without rowid;
        create index entry_segment on entry (segment);
        create table counter (key blob primary key, last integer not null) strict, without rowid;
        create table dropped (
            key blob not null, number integer not null, primary key (key, number)
        ) strict, without rowid;
        """
    ],
)
_PLACE = "segment, start, length, size, base, spent"


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Where an object lies.

    Attributes:
        segment: Number of the segment.
        start: Where its record begins.
        length: Bytes of the record.
        size: Bytes of the content.
        base: The object that it tells the differences from.
        spent: Bytes of all differences from that base up to this one.
    """

    segment: int
    start: int
    length: int
    size: int
    base: bytes | None
    spent: int


class Position(msgspec.Struct, frozen=True, array_like=True):
    """How far a segment has been read.

    Attributes:
        number: Number of the segment.
        scanned: Bytes that are in the index.
        is_sealed: Whether nothing is added to it any more.
    """

    number: int
    scanned: int
    is_sealed: bool


class Entry(msgspec.Struct, frozen=True, array_like=True):
    """Something that was committed.

    Attributes:
        number: Its number.
        content: What it says.
    """

    number: int
    content: bytes


class Index:
    """The SQLite file, opened at first use.

    Args:
        path: Where it lies.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database: Database | None = None
        self._opening = Lock()

    def open(self) -> Database:
        """Return the database.

        Raises:
            CorruptError: If it is damaged.
            PegboardError: If it can be neither opened nor made.
        """
        with self._opening:
            if self._database is None:
                self._database = Database(self._path, _SCHEMA, durability="normal", wait=30.0)
            return self._database

    def close(self) -> None:
        """Close the file."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def forget(self) -> None:
        """Remove the file: the next use begins a new one.

        Raises:
            OSError: If it cannot be removed.
        """
        with suppress(CorruptError):
            self.close()
        self._database = None
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)

    def positions(self) -> dict[int, Position]:
        """Return how far each segment has been read."""
        rows = self.open().read(lambda db: db.all("select number, scanned, sealed from segment"))
        return {row[0]: Position(row[0], row[1], bool(row[2])) for row in rows}

    def clear(self) -> None:
        """Forget where everything lies, but not which numbers there have been."""

        def clear(db: Transaction) -> None:
            for table in ("object", "entry", "segment"):
                db.execute(f"delete from {table}")  # noqa: S608  # ours

        self.open().write(clear)

    def lost_entries(self) -> int:
        """Return how many entries there have been that are neither there nor were taken away."""
        sql = (
            "select sum(last) - (select count(*) from entry) - (select count(*) from dropped)"
            " from counter"
        )
        return int(self.open().read(lambda db: db.value(sql)) or 0)

    def last_position(self) -> Position | None:
        """Return how far the last segment has been read."""
        sql = "select number, scanned, sealed from segment order by number desc limit 1"
        row = self.open().read(lambda db: db.first(sql))
        return None if row is None else Position(row[0], row[1], bool(row[2]))

    def find(self, id: bytes) -> Place | None:  # noqa: A002  # what it is called everywhere
        """Return where an object lies."""
        sql = f"select {_PLACE} from object where id = ?"  # noqa: S608  # columns of ours
        row = self.open().read(lambda db: db.first(sql, id))
        return None if row is None else Place(*row)

    def places(self) -> dict[bytes, Place]:
        """Return where every object lies."""
        sql = f"select id, {_PLACE} from object"  # noqa: S608  # columns of ours
        rows = self.open().read(lambda db: db.all(sql))
        return {row[0]: Place(*row[1:]) for row in rows}

    def last_number(self, key: bytes) -> int:
        """Return the highest number that a key has ever had."""
        sql = "select last from counter where key = ?"
        return int(self.open().read(lambda db: db.value(sql, key)) or 0)

    def entry(self, key: bytes, number: int) -> Entry | None:
        """Return an entry."""
        sql = "select number, content from entry where key = ? and number = ?"
        row = self.open().read(lambda db: db.first(sql, key, number))
        return None if row is None else Entry(*row)

    def last_entry(self, key: bytes) -> Entry | None:
        """Return the entry of the highest number."""
        sql = "select number, content from entry where key = ? order by number desc limit 1"
        row = self.open().read(lambda db: db.first(sql, key))
        return None if row is None else Entry(*row)

    def entries(
        self, key: bytes, *, before: int | None = None, limit: int | None = None
    ) -> list[Entry]:
        """Return entries in order; with a limit the last ones, below `before`."""
        sql = (
            "select number, content from entry where key = ? and number < ?"
            " order by number desc limit ?"
        )
        bound = 2**62 if before is None else before
        rows = self.open().read(lambda db: db.all(sql, key, bound, -1 if limit is None else limit))
        return [Entry(*row) for row in reversed(rows)]

    def keys(self) -> list[tuple[bytes, Entry]]:
        """Return each key with its last entry."""
        sql = (
            "select key, number, content from entry as e where number ="
            " (select max(number) from entry where key = e.key)"
        )
        rows = self.open().read(lambda db: db.all(sql))
        return [(row[0], Entry(row[1], row[2])) for row in rows]

    def every_entry(self) -> list[tuple[bytes, int, bytes]]:
        """Return key, number and content of every entry."""
        rows = self.open().read(lambda db: db.all("select key, number, content from entry"))
        return [(row[0], row[1], row[2]) for row in rows]

    def bases(self) -> list[tuple[bytes, bytes]]:
        """Return the id of each object that tells differences, and that of its base."""
        sql = "select id, base from object where base is not null"
        return [(row[0], row[1]) for row in self.open().read(lambda db: db.all(sql))]

    def objects_in(self, segment: int) -> list[tuple[bytes, int]]:
        """Return id and length of the objects of a segment."""
        sql = "select id, length from object where segment = ?"
        return [(row[0], row[1]) for row in self.open().read(lambda db: db.all(sql, segment))]

    def size_of_entries_in(self, segment: int) -> int:
        """Return the bytes of the entries of a segment."""
        sql = "select sum(length) from entry where segment = ?"
        return int(self.open().read(lambda db: db.value(sql, segment)) or 0)

    def counts(self) -> tuple[int, int]:
        """Return how many objects and entries there are."""
        sql = "select (select count(*) from object), (select count(*) from entry)"
        row = self.open().read(lambda db: db.first(sql))
        return (0, 0) if row is None else (row[0], row[1])

    def add(
        self, number: int, found: Iterable[Found], *, scanned: int, is_sealed: bool = False
    ) -> None:
        """Take in what stands in a segment up to `scanned`."""
        records = list(found)

        def take(db: Transaction) -> None:
            for record in records:
                _take(db, number, record)
            db.execute(
                "insert into segment values (?1, ?2, ?3) on conflict do update set"
                " scanned = max(scanned, excluded.scanned), sealed = max(sealed, excluded.sealed)",
                number,
                scanned,
                int(is_sealed),
            )

        self.open().write(take)

    def seal(self, number: int) -> None:
        """Have nothing added to a segment any more."""
        sql = "update segment set sealed = 1 where number = ?"
        self.open().write(lambda db: db.execute(sql, number))

    def remove_segment(self, number: int) -> None:
        """Forget a segment, and what lies only there."""

        def forget(db: Transaction) -> None:
            for table in ("object", "entry"):
                db.execute(f"delete from {table} where segment = ?", number)  # noqa: S608  # ours
            db.execute("delete from segment where number = ?", number)

        self.open().write(forget)


def _take(db: Transaction, segment: int, found: Found) -> None:
    meta = found.meta
    if isinstance(meta, ObjectRecord):
        db.execute(
            "insert or replace into object values (?, ?, ?, ?, ?, ?, ?)",
            meta.id,
            segment,
            found.offset,
            found.size,
            meta.size,
            meta.base,
            meta.spent,
        )
    elif isinstance(meta, EntryRecord):
        _take_entry(db, segment, found, meta)
    else:
        _take_drop(db, meta)


def _take_entry(db: Transaction, segment: int, found: Found, meta: EntryRecord) -> None:
    _count(db, meta.key, meta.number)
    sql = "select 1 from dropped where key = ? and number = ?"
    if db.value(sql, meta.key, meta.number) is None:
        db.execute(
            "insert or replace into entry values (?, ?, ?, ?, ?, ?)",
            meta.key,
            meta.number,
            segment,
            found.offset,
            found.size,
            meta.content,
        )


def _take_drop(db: Transaction, meta: Drop) -> None:
    _count(db, meta.key, meta.last)
    rows = [(meta.key, number) for number in meta.numbers]
    db.execute_many("insert or ignore into dropped values (?, ?)", rows)
    db.execute_many("delete from entry where key = ? and number = ?", rows)


def _count(db: Transaction, key: bytes, number: int) -> None:
    sql = (
        "insert into counter values (?, ?)"
        " on conflict do update set last = max(last, excluded.last)"
    )
    db.execute(sql, key, number)

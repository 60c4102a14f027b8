"""A cache in a SQLite file, shared by all processes of a project."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pegboard.contracts.cache import CacheEntry
from pegboard_database import Database, Schema

if TYPE_CHECKING:
    from pegboard_database import Snapshot, Transaction

__all__ = ["SqliteCache"]

FULL = 0.9  # part of the room that is still taken after the oldest entries had to go
BATCH = 64  # entries that go at once

_SCHEMA = Schema(
    "cache",
    [
        """
        create table entry (
            key text primary key, value blob not null, stored_at real not null, expires_at real
        ) strict;
        create index entry_by_age on entry (stored_at);
        create index entry_by_end on entry (expires_at) where expires_at is not null;
        create table tag (
            name text not null, key text not null references entry on delete cascade,
            primary key (name, key)
        ) strict, without rowid;
        create index tag_by_key on tag (key);
        create table claim (key text primary key, token text not null, ends_at real not null)
            strict, without rowid;
        create table room (used integer not null) strict;
        insert into room values (0);
        create trigger entry_added after insert on entry begin
            update room set used = used + length(new.value) + length(new.key);
        end;
        create trigger entry_removed after delete on entry begin
            delete from tag where key = old.key;
            update room set used = used - length(old.value) - length(old.key);
        end;
        """
    ],
)


class SqliteCache:
    """Keeps values in a file; those that were kept first go first when there is no more room.

    Args:
        path: The file; it is made, for its owner only, at the first use.
        most: Bytes of keys and values that are held at once.
        largest: Bytes of one value; a larger one is not kept.
    """

    def __init__(self, path: Path, *, most: int, largest: int) -> None:
        self._path = path
        self._most = most
        self._largest = min(largest, most)
        self._database: Database | None = None

    async def get(self, key: str) -> CacheEntry | None:
        """Return what is kept; see `Cache.get`."""
        return await self._opened.aread(partial(_get, key=key, now=time.time()))

    async def set(
        self,
        key: str,
        value: bytes,
        *,
        ttl: float | None = None,
        tags: Sequence[str] = (),
        claim: str | None = None,
    ) -> bool:
        """Keep a value; see `Cache.set`."""

        def work(transaction: Transaction) -> bool:
            now = time.time()
            if claim is not None and not _end_claim(transaction, key, claim):
                return False
            transaction.execute("delete from entry where key = ?", key)
            if len(key) + len(value) > self._largest:
                return False
            self._make_room(transaction, len(key) + len(value), now)
            ends = None if ttl is None else now + ttl
            transaction.execute("insert into entry values (?, ?, ?, ?)", key, value, now, ends)
            transaction.execute_many(
                "insert or ignore into tag values (?, ?)", [(tag, key) for tag in tags]
            )
            return True

        return await self._opened.awrite(work)

    async def delete(self, key: str) -> bool:
        """Forget a key; see `Cache.delete`."""

        def work(transaction: Transaction) -> bool:
            transaction.execute("delete from claim where key = ?", key)
            found = transaction.value("select 1 from entry where key = ?", key)
            transaction.execute("delete from entry where key = ?", key)
            return found is not None

        return await self._opened.awrite(work)

    async def invalidate(self, tag: str) -> int:
        """Forget all keys with a tag; see `Cache.invalidate`."""

        def work(transaction: Transaction) -> int:
            transaction.execute("delete from claim")
            keys = transaction.all("select key from tag where name = ?", tag)
            transaction.execute_many("delete from entry where key = ?", keys)
            return len(keys)

        return await self._opened.awrite(work)

    async def claim(self, key: str, seconds: float, *, renew: str | None = None) -> str | None:
        """Return a token for whoever is to make a value; see `Cache.claim`."""

        def work(transaction: Transaction) -> str | None:
            now = time.time()
            transaction.execute("delete from claim where ends_at <= ?", now)
            holder = transaction.value("select token from claim where key = ?", key)
            if holder != renew:
                return None
            token = renew or os.urandom(16).hex()
            transaction.execute(
                "insert or replace into claim values (?, ?, ?)", key, token, now + seconds
            )
            return token

        return await self._opened.awrite(work)

    async def release(self, key: str, claim: str) -> None:
        """End a claim; see `Cache.release`."""
        await self._opened.awrite(partial(_end_claim, key=key, claim=claim))

    async def aclose(self) -> None:
        """Close the file."""
        if self._database is not None:
            await self._database.aclose()
            self._database = None

    @property
    def _opened(self) -> Database:
        if self._database is None:
            # what a cache has lost with the power is made again
            self._database = Database(self._path, _SCHEMA, durability="normal")
        return self._database

    def _make_room(self, transaction: Transaction, size: int, now: float) -> None:
        transaction.execute("delete from entry where expires_at <= ?", now)
        used = int(transaction.value("select used from room"))
        if used + size <= self._most:
            return
        while used + size > self._most * FULL and used:
            transaction.execute(
                "delete from entry where key in (select key from entry order by stored_at limit ?)",
                BATCH,
            )
            used = int(transaction.value("select used from room"))


def _get(snapshot: Snapshot, *, key: str, now: float) -> CacheEntry | None:
    row = snapshot.first(
        "select value, stored_at from entry "
        "where key = ? and (expires_at is null or expires_at > ?)",
        key,
        now,
    )
    # a clock that was set back makes nothing younger than new
    return None if row is None else CacheEntry(value=row[0], age=max(0.0, now - row[1]))


def _end_claim(transaction: Transaction, key: str, claim: str) -> bool:
    return transaction.execute("delete from claim where key = ? and token = ?", key, claim) > 0

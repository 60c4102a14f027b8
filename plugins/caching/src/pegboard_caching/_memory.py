"""Answers in the memory of the process: bounded by their number and, all together, by bytes."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Container, Sequence
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pegboard_caching._kept import Kept
    from pegboard_caching._key import Key
    from pegboard_caching._mark import Marks, Taken

__all__ = ["Entry", "Memory", "Shelf"]

OVERHEAD = 400
"""Bytes that an entry takes beside its key and value."""


class Entry(msgspec.Struct, frozen=True):
    """One answer.

    Attributes:
        kept: The answer.
        stale: When it becomes too old, by the monotonic clock.
        end: When it is not given any more.
        size: Bytes that it is counted with.
        tags: By which it is forgotten together with others.
        taken: What it depends on, in whatever process that is invalidated.
    """

    kept: Kept
    stale: float
    end: float
    size: int
    tags: frozenset[str]
    taken: Taken


class Memory:
    """What all shelves of an app hold together.

    Attributes:
        used: Bytes held now.
        most: Bytes that may be held.
        marks: Tell what was invalidated.
        shelves: Those that hold something, each of one export of one generation.
    """

    def __init__(self, most: int, marks: Marks) -> None:
        self.used = 0
        self.most = most
        self.marks = marks
        self.shelves: list[Shelf] = []

    def shelf(self, address: str, size: int) -> Shelf:
        """Return a new shelf for at most `size` answers of an export."""
        return Shelf(self, address, size)

    def keep_only(self, shelves: Container[Shelf]) -> None:
        """Close all other shelves: their exports serve no more."""
        for shelf in [each for each in self.shelves if each not in shelves]:
            shelf.close()
            self.shelves.remove(shelf)

    def make_room(self, first: Shelf) -> None:
        """Drop what was unused for longest, of `first` before others, until the rest fits."""
        while self.used > self.most:
            shelf = first if first.entries else max(self.shelves, key=_used)
            shelf.drop(next(iter(shelf.entries)))


class Shelf:
    """The answers of one export, in the order of their last use.

    Attributes:
        address: The export.
        entries: The answers by key.
        used: Bytes that they take.
        marks: Tell what was invalidated.
    """

    __slots__ = ("_is_closed", "_memory", "_most", "address", "entries", "marks", "used")

    def __init__(self, memory: Memory, address: str, most: int) -> None:
        self.address = address
        self.entries: OrderedDict[Key, Entry] = OrderedDict()
        self.used = 0
        self.marks = memory.marks
        self._memory = memory
        self._most = most
        self._is_closed = False

    def get(self, key: Key) -> Entry | None:
        """Return an answer that may still be given, even if it is too old."""
        entry = self.entries.get(key)
        if entry is None:
            return None
        if entry.end <= time.monotonic() or not self.marks.hold(entry.taken):
            self.drop(key)
            return None
        self.entries.move_to_end(key)
        return entry

    def put(
        self,
        key: Key,
        kept: Kept,
        *,
        ttl: float,
        stale: float,
        tags: Sequence[str],
        taken: Taken,
    ) -> None:
        """Keep an answer for `ttl` seconds, and for `stale` more as one that is too old.

        Nothing is kept if what it depends on was invalidated meanwhile.
        """
        if not self.marks.hold(taken):
            return
        self.drop(key)
        size = kept.size + len(key[0]) + OVERHEAD
        if size > self._memory.most or self._is_closed:
            return
        if self not in self._memory.shelves:
            self._memory.shelves.append(self)
        now = time.monotonic()
        entry = Entry(kept, now + ttl, now + ttl + stale, size, frozenset(tags), taken)
        self.entries[key] = entry
        self._count(size)
        if len(self.entries) > self._most:
            self.drop(next(iter(self.entries)))
        self._memory.make_room(self)

    def drop(self, key: Key) -> bool:
        """Forget an answer; False where there is none."""
        entry = self.entries.pop(key, None)
        if entry is not None:
            self._count(-entry.size)
        return entry is not None

    def clear(self, tag: str | None = None) -> int:
        """Forget all answers, or those with a tag; count them."""
        keys = [key for key, each in self.entries.items() if tag is None or tag in each.tags]
        return sum(self.drop(key) for key in keys)

    def close(self) -> None:
        """Forget all answers and keep none from now on."""
        self.clear()
        self._is_closed = True

    def _count(self, size: int) -> None:
        self.used += size
        self._memory.used += size


def _used(shelf: Shelf) -> int:
    return shelf.used

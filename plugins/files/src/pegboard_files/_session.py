"""Reading and writing of an archive, while nothing that is there goes away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import BinaryIO

from pegboard_files._archive import Archive
from pegboard_files._codec import CodecError, compress, decompress
from pegboard_files._error import DamagedError, WriteError, translated
from pegboard_files._index import Place
from pegboard_files._record import EntryRecord, Meta, ObjectRecord, pack
from pegboard_files._segment import read_record

__all__ = ["Session", "session"]

MOST_PENDING = 8 * 1024 * 1024  # bytes that wait in memory for an append
MOST_REMEMBERED = 250_000  # contents: about 60 MB
MOST_OPEN = 32  # segments that are kept open
SMALLEST_BASE = 128  # bytes below which telling differences does not pay


@contextmanager
def session(archive: Archive) -> Iterator[Session]:
    """Read and write an archive in the block.

    Raises:
        WriteError: If the folder cannot be read or written.
    """
    with translated(), archive.using(), ExitStack() as stack:
        yield Session(archive, stack)


class Session:
    """What can be done with an archive while the lock `use` is held.

    Args:
        archive: The archive.
        stack: Closes what is opened.

    Attributes:
        is_broken: Whether something could not be written: what was put before may be missing, and
            nothing can be committed any more.
    """

    def __init__(self, archive: Archive, stack: ExitStack) -> None:
        self._archive = archive
        self._stack = stack
        self._files: dict[int, BinaryIO] = {}
        self._pending: list[tuple[Meta, bytes]] = []
        self._pending_size = 0
        self._own: set[bytes] = set()
        self.is_broken = False
        self._places: dict[bytes, Place] | None = None

    def remember(self) -> None:
        """Learn where all contents lie, for one who asks for many; not if there are too many."""
        if self._places is None and self._archive.index.counts()[0] <= MOST_REMEMBERED:
            self._places = self._archive.index.places()

    def has(self, id: bytes) -> bool:  # noqa: A002  # what it is called everywhere
        """Whether there is a content of that id."""
        return id in self._own or self._find(id) is not None

    def put(self, content: bytes, *, like: bytes | None = None) -> bytes:
        """Keep a content, once, and return its id; durable with the next commit.

        Args:
            content: The bytes.
            like: Id of a content that it may be told apart from in fewer bytes.

        Raises:
            OSError: If it cannot be written.
        """
        name = self._archive.id_of(content)
        if not self.has(name):
            record, body = self._encoded(name, content, like)
            self._add(record, self._sealed(body, name))
        return name

    def get(self, id: bytes) -> bytes:  # noqa: A002  # what it is called everywhere
        """Return a content, checked.

        Raises:
            DamagedError: If it is missing or is not what was kept.
        """
        self.flush()
        place = self._find(id)
        if place is None:
            raise DamagedError(f"content {id.hex()[:16]} is missing; put its segment back")
        found = read_record(self._file(place), place.start, place.length)
        if found is None:
            raise self._damaged(place, "the record there is damaged")
        meta, body = found
        if not isinstance(meta, ObjectRecord) or meta.id != id:
            raise self._damaged(place, "another record than the index says; rebuild the index")
        try:
            content = self._decoded(meta, self._opened(body, id))
        except (CodecError, ValueError) as error:
            raise self._damaged(place, f"the content there cannot be read: {error}") from error
        if self._archive.id_of(content) != id:
            raise self._damaged(place, "the content there is not what was kept")
        return content

    def commit(
        self, key: bytes, content: bytes, *, unless: Callable[[], None] | None = None
    ) -> int:
        """Add an entry and return its number; it and all it names are durable then.

        Args:
            key: What it is an entry of.
            content: What it says.
            unless: Called when nobody else can add one any more; what it raises is raised.

        Raises:
            OSError: If it cannot be written; there is no such entry then.
        """
        with self._archive.appending():
            if unless is not None:
                unless()
            number = self._archive.index.last_number(key) + 1
            sealed = self._sealed(content, key + number.to_bytes(8, "big"))
            entry = EntryRecord(key=key, number=number, content=sealed)
            self._pending.append((entry, pack(entry)))
            self._append()
            return number

    def opened(self, key: bytes, number: int, content: bytes) -> bytes:
        """Return what an entry says.

        Raises:
            DamagedError: If it is not what was committed.
        """
        try:
            return self._opened(content, key + number.to_bytes(8, "big"))
        except ValueError as error:
            raise DamagedError(f"entry {number} cannot be read: {error}") from error

    def flush(self) -> None:
        """Append what waits.

        Raises:
            OSError: If it cannot be written.
        """
        if self._pending:
            with self._archive.appending():
                self._append()

    def _damaged(self, place: Place, what: str) -> DamagedError:
        path = self._archive.segments.path(place.segment)
        return DamagedError(f"{path}, byte {place.start}: {what}")

    def _find(self, id: bytes) -> Place | None:  # noqa: A002  # the same
        if self._places is None:
            return self._archive.index.find(id)
        place = self._places.get(id)
        if place is None and id in self._own:
            return self._archive.index.find(id)
        return place

    def _append(self) -> None:
        if self.is_broken:
            raise WriteError("what was kept before could not be written; begin anew")
        self.is_broken = True  # until it is written
        self._archive.append(self._pending)
        self._pending = []
        self._pending_size = 0
        self.is_broken = False

    def _add(self, record: ObjectRecord, body: bytes) -> None:
        packed = pack(record, body)
        self._pending.append((record, packed))
        self._own.add(record.id)
        self._pending_size += len(packed)
        if self._pending_size > MOST_PENDING:
            self.flush()

    def _encoded(
        self, name: bytes, content: bytes, like: bytes | None
    ) -> tuple[ObjectRecord, bytes]:
        difference = self._difference(name, content, like) if like is not None else None
        if difference is not None:
            return difference
        body = compress(content)
        if len(body) >= len(content):
            return ObjectRecord(id=name, size=len(content), codec=0), content
        return ObjectRecord(id=name, size=len(content), codec=1), body

    def _difference(
        self, name: bytes, content: bytes, like: bytes
    ) -> tuple[ObjectRecord, bytes] | None:
        """Tell the content from the one that `like` was told from, or from it, where that pays.

        All differences from one base together may take as much as the base; then the next content
        is kept in full. So a content is never more than one step away from one in full.
        """
        self.flush()
        place = self._find(like)
        base = like if place is None or place.base is None else place.base
        root = self._find(base)
        if place is None or root is None or min(root.size, len(content)) < SMALLEST_BASE:
            return None
        try:
            body = compress(content, self.get(base))
        except DamagedError:
            return None  # what is new is kept in full, then, and does not suffer from it
        spent = place.spent + len(body)
        if len(body) > root.length // 2 or spent > root.length + SMALLEST_BASE:
            return None
        record = ObjectRecord(id=name, size=len(content), codec=1, base=base, spent=spent)
        return record, body

    def _decoded(self, meta: ObjectRecord, body: bytes) -> bytes:
        if meta.codec == 0:
            return body
        base = None if meta.base is None else self.get(meta.base)
        return decompress(body, meta.size, base)

    def _sealed(self, data: bytes, context: bytes) -> bytes:
        seal = self._archive.seal
        return data if seal is None else seal.seal(data, context)

    def _opened(self, data: bytes, context: bytes) -> bytes:
        seal = self._archive.seal
        return data if seal is None else seal.open(data, context)

    def _file(self, place: Place) -> BinaryIO:
        file = self._files.get(place.segment)
        if file is None:
            if len(self._files) >= MOST_OPEN:
                self._files.pop(next(iter(self._files))).close()
            opened = self._archive.segments.open(place.segment)
            file = self._files[place.segment] = self._stack.enter_context(opened)
        return file

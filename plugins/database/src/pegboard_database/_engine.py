"""What all handles of one file share in this process: its writer and its readers.

A child process that was forked must not touch the connections of its parent, not even to close
them: it forgets them, and opens its own.
"""

from __future__ import annotations

import ctypes
import os
import threading
from pathlib import Path

from pegboard_database._reader import Readers
from pegboard_database._sqlite import Connection, Durability, open_file
from pegboard_database._writer import Writer

__all__ = ["Engine", "borrow", "give_back"]

Key = tuple[int, int, Durability]


class Engine:
    """The writer and the readers of one file.

    Args:
        path: The database file.
        durability: What a commit survives.
        wait: Seconds to wait for locks, for room in the queue, and for a reader.
        limit: Writes that wait at once.
    """

    def __init__(self, path: Path, *, durability: Durability, wait: float, limit: int) -> None:
        self.handles = 0
        self.key: Key | None = None
        name = path.name
        connection = open_file(path, wait=wait, durability=durability)
        self.writer = Writer(connection, name, wait=wait, limit=limit)
        self.readers = Readers(lambda: open_file(path, wait=wait, readonly=True), name, wait)

    def close(self) -> None:
        """Finish what waits, then close every connection."""
        self.writer.close()
        self.readers.close()

    def connections(self) -> list[Connection]:
        """Return all connections that are open."""
        return [self.writer.connection, *self.readers.connections]


_engines: dict[Key, Engine] = {}
_lock = threading.Lock()


def borrow(path: Path, *, durability: Durability, wait: float, limit: int) -> Engine:
    """Return the engine of a file, a new one if nobody has it; the first one's settings count.

    Raises:
        PegboardError: If the file cannot be opened or is no database.
    """
    with _lock:
        key = _key(path, durability)
        engine = None if key is None else _engines.get(key)
        if engine is None:
            engine = Engine(path, durability=durability, wait=wait, limit=limit)
            engine.key = _key(path, durability)
            if engine.key is not None:
                _engines[engine.key] = engine
        engine.handles += 1
        return engine


def give_back(engine: Engine) -> None:
    """Close the engine if nobody else has it."""
    with _lock:
        engine.handles -= 1
        if engine.handles:
            return
        if engine.key is not None and _engines.get(engine.key) is engine:
            del _engines[engine.key]
    engine.close()


def _key(path: Path, durability: Durability) -> Key | None:
    """Return what tells one file from another, also under another name; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, durability


def _forget() -> None:
    """In a forked child: leave what belongs to the parent alone, for ever."""
    global _lock  # noqa: PLW0603 - the parent's may be held by a thread that is not here
    for engine in _engines.values():
        for connection in engine.connections():
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(connection))
    _engines.clear()
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)

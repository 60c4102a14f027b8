"""SQLite itself: the one module that knows apsw.

The SQLite of the standard library is often older than 3.51.3, which mended a race of writers and
checkpoints in WAL mode that could damage a file; apsw carries one of its own.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeAlias

import apsw

from pegboard.errors import ConfigError, PegboardError
from pegboard_database._error import (
    BusyError,
    ClosedError,
    ConstraintError,
    CorruptError,
    FullError,
    StatementError,
)

__all__ = ["Connection", "Durability", "Values", "execute", "names_of", "open_file", "translated"]

Connection: TypeAlias = apsw.Connection
Cursor: TypeAlias = apsw.Cursor
Durability = Literal["full", "normal"]
Values: TypeAlias = Sequence[Any] | Mapping[str, Any]

OLDEST = (3, 51, 3)  # the first SQLite without the race of WAL checkpoints
FIRST_PAUSE = 0.0002  # seconds between two looks at a lock that another process holds, at first
LONGEST_PAUSE = 0.002  # and at most: those of SQLite itself grow to 0.1 s, which starves
WAL_LIMIT = 64 * 1024 * 1024  # bytes that the WAL is cut to when a checkpoint has emptied it

_KINDS: tuple[tuple[type[apsw.Error], type[PegboardError], str], ...] = (
    (apsw.BusyError, BusyError, "is locked by another process; try again"),
    (apsw.LockedError, BusyError, "is locked by another connection; try again"),
    (apsw.ProtocolError, BusyError, "is locked by others that open it; try again"),
    (apsw.FullError, FullError, "could not be written: the disk is full"),
    (apsw.IOError, FullError, "could not be read or written: the disk failed"),
    (apsw.ReadOnlyError, FullError, "could not be written: file or folder is read-only"),
    (apsw.CorruptError, CorruptError, "is damaged: stop the app and restore it from a backup"),
    (apsw.NotADBError, CorruptError, "is no SQLite database: move it away or restore it"),
    (apsw.ConstraintError, ConstraintError, "refused a row"),
    (apsw.CantOpenError, ClosedError, "could not be opened: look at the rights of its folder"),
    (apsw.ConnectionClosedError, ClosedError, "is closed"),
    (apsw.CursorClosedError, ClosedError, "is closed"),
)


class Translation:
    """A block in which what apsw raises becomes an error of ours that names the database.

    It stands around each statement: a generator in its place costs a microsecond more.

    Args:
        name: What errors call the database.
    """

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Raise what left the block as an error of ours, chained to its cause.

        Raises:
            PegboardError: If apsw raised.
        """
        if isinstance(error, apsw.Error):
            raise _translate(self._name, error) from error


def translated(name: str) -> Translation:
    """Return a block that raises errors of apsw as ours; see `Translation`."""
    return Translation(name)


def _translate(name: str, error: apsw.Error) -> PegboardError:
    for source, kind, text in _KINDS:
        if isinstance(error, source):
            detail = f": {error}" if kind is ConstraintError else ""
            if issubclass(kind, BusyError):
                return kind(f"database {name} {text}", retry_after=1.0)
            return kind(f"database {name} {text}{detail}")
    return StatementError(f"a statement for database {name} is wrong: {type(error).__name__}")


def open_file(
    path: Path, *, wait: float, durability: Durability = "full", readonly: bool = False
) -> Connection:
    """Open a connection in WAL mode; the file is made, for its owner only, if there is none.

    Args:
        path: The database file.
        wait: Seconds that a statement waits for a lock of another process.
        durability: `full` syncs each commit, `normal` may lose the last ones with the power.
        readonly: Whether the connection refuses to write.

    Raises:
        ConfigError: If the SQLite that apsw was built with is too old to be shared.
        PegboardError: If the file cannot be opened or is no database.
    """
    _check_version()
    with translated(path.name):
        _make(path)
        connection = apsw.Connection(os.fspath(path), flags=apsw.SQLITE_OPEN_READWRITE)
        connection.set_busy_handler(_patience(wait))
        _enter_wal(connection, time.monotonic() + wait)
        connection.execute(f"pragma synchronous = {durability}")
        connection.execute("pragma foreign_keys = on")
        connection.execute(f"pragma journal_size_limit = {WAL_LIMIT}")
        if readonly:
            connection.execute("pragma query_only = on")
        return connection


def execute(connection: Connection, sql: str, values: Values = ()) -> Cursor:
    """Run a statement; the cursor that comes back yields its rows as tuples."""
    return connection.execute(sql, values)


def names_of(cursor: Cursor) -> tuple[str, ...]:
    """Return the names of the columns, none where there is no row."""
    try:
        return tuple(name for name, _ in cursor.get_description())
    except apsw.ExecutionCompleteError:
        return ()


def _check_version() -> None:
    version = apsw.sqlite_lib_version()
    if tuple(int(part) for part in version.split(".")) < OLDEST:
        msg = (
            f"apsw was built with SQLite {version}, which can damage a file that is shared; take "
            f"its wheel: pip install --force-reinstall --only-binary apsw 'apsw>="
            f"{'.'.join(map(str, OLDEST))}'"
        )
        raise ConfigError(msg)


def _make(path: Path) -> None:
    """Make an empty file that only its owner may read; WAL and index get the same mode.

    An existing one is not opened here: closing it would drop the locks of our own connections.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        if path.is_dir() or not path.parent.is_dir():
            msg = f"database {path.name} could not be made: there is something else of that name"
            raise ClosedError(msg) from None
    except OSError as error:
        msg = f"database {path.name} could not be made: {error.strerror}"
        raise ClosedError(msg) from error


def _patience(wait: float) -> Callable[[int], bool]:
    """Return what SQLite asks whether to look at a lock again: it sleeps briefly, and evenly."""
    since = 0.0

    def handle(count: int) -> bool:
        nonlocal since
        now = time.monotonic()
        if count == 0:
            since = now
        if now - since >= wait:
            return False
        time.sleep(min(FIRST_PAUSE * (count + 1), LONGEST_PAUSE))
        return True

    return handle


def _enter_wal(connection: Connection, deadline: float) -> None:
    """Switch to WAL; SQLite does not call the busy handler while others switch as well."""
    while True:
        try:
            connection.execute("pragma journal_mode = wal").fetchall()
        except apsw.BusyError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(LONGEST_PAUSE)
        else:
            return

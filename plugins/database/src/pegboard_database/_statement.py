"""What a piece of work sees of the database while it runs: rows, and for a writer, changes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

from pegboard_database._sqlite import Connection, Values, execute, names_of, translated

__all__ = ["Snapshot", "Transaction"]

T = TypeVar("T")
Row = tuple[Any, ...]


class Snapshot:
    """One state of the database, the same for all queries of a piece of work.

    Values follow the statement, in order for `?` and by name for `:name`. SQLite knows None, int,
    float, str and bytes; True is 1.

    Attributes:
        name: What errors call the database.

    Args:
        connection: Where the statements run.
        name: The same.
    """

    __slots__ = ("_connection", "name")

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self.name = name

    def all(self, sql: str, *values: Any, **named: Any) -> list[Row]:
        """Return all rows.

        Raises:
            PegboardError: If the statement is wrong or the file cannot be read.
        """
        with translated(self.name):
            return execute(self._connection, sql, _bound(values, named)).fetchall()

    def first(self, sql: str, *values: Any, **named: Any) -> Row | None:
        """Return the first row, None where there is none.

        Raises:
            PegboardError: If the statement is wrong or the file cannot be read.
        """
        with translated(self.name):
            cursor = execute(self._connection, sql, _bound(values, named))
            row: Row | None = cursor.fetchone()
            cursor.close(force=True)
            return row

    def value(self, sql: str, *values: Any, **named: Any) -> Any:
        """Return the first column of the first row, None where there is no row.

        Raises:
            PegboardError: If the statement is wrong or the file cannot be read.
        """
        row = self.first(sql, *values, **named)
        return None if row is None else row[0]

    def all_as(self, kind: type[T], sql: str, *values: Any, **named: Any) -> list[T]:
        """Return all rows as Structs; columns go to the fields of their names.

        Where a field says so, a text becomes a datetime, a UUID or an Enum, an integer a bool.

        Raises:
            PegboardError: If the statement is wrong or the file cannot be read.
            msgspec.ValidationError: If a row does not fit the Struct.
        """
        with translated(self.name):
            cursor = execute(self._connection, sql, _bound(values, named))
            names = names_of(cursor)
            rows = [dict(zip(names, row, strict=True)) for row in cursor]
        return msgspec.convert(rows, list[kind], strict=False)  # type: ignore[valid-type] # a type made at run time

    def first_as(self, kind: type[T], sql: str, *values: Any, **named: Any) -> T | None:
        """Return the first row as a Struct, None where there is none; see `all_as`.

        Raises:
            PegboardError: If the statement is wrong or the file cannot be read.
            msgspec.ValidationError: If the row does not fit the Struct.
        """
        rows = self.all_as(kind, sql, *values, **named)
        return rows[0] if rows else None


class Transaction(Snapshot):
    """What a writer sees and changes; what it raises undoes its changes and nobody else's."""

    __slots__ = ()

    def execute(self, sql: str, *values: Any, **named: Any) -> int:
        """Run a statement and return how many rows it inserted, changed or deleted.

        Raises:
            ConstraintError: If a constraint refuses a row.
            PegboardError: If the statement is wrong or the file cannot be written.
        """
        with translated(self.name):
            before = self._connection.total_changes()
            for _ in execute(self._connection, sql, _bound(values, named)):
                """A script runs to its end only when all its rows are taken."""
            return self._connection.total_changes() - before

    def execute_many(self, sql: str, rows: Iterable[Values]) -> int:
        """Run a statement once for each row of values and return how many rows it changed.

        Raises:
            ConstraintError: If a constraint refuses a row.
            PegboardError: If the statement is wrong or the file cannot be written.
        """
        with translated(self.name):
            before = self._connection.total_changes()
            for _ in self._connection.executemany(sql, rows):
                """The same."""
            return self._connection.total_changes() - before

    @property
    def last_id(self) -> int:
        """The row id of the last row that was inserted."""
        return self._connection.last_insert_rowid()


def _bound(values: tuple[Any, ...], named: dict[str, Any]) -> Values:
    if values and named:
        msg = "a statement takes values in order or by name, not both"
        raise TypeError(msg)
    return named or values

"""Sessions of a PostgreSQL server: the one module that knows psycopg."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import msgspec
import psycopg

from pegboard.errors import UnavailableError
from pegboard_database._dialect import postgres_statement
from pegboard_database._error import ConstraintError

__all__ = [
    "Connection",
    "LostConnectionError",
    "PostgresSession",
    "ServerError",
    "away",
    "connected",
    "first_line",
]

T = TypeVar("T")
Row = tuple[Any, ...]

CONNECT_TIMEOUT = 5  # seconds
CLIENT_OPTIONS = {
    "connect_timeout": CONNECT_TIMEOUT,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "application_name": "pegboard",
}

Connection = psycopg.Connection[Row]
LostConnectionError = psycopg.OperationalError
"""The server went away, or ended our session."""
ServerError = psycopg.Error
"""The server refused something, or went away."""


def connected(url: str, *, autocommit: bool = False) -> Connection:
    """Open a connection.

    Raises:
        UnavailableError: If the server does not answer, or does not let us in.
    """
    try:
        return psycopg.connect(url, autocommit=autocommit, **CLIENT_OPTIONS)  # type: ignore[arg-type]  # options of libpq
    except psycopg.OperationalError as error:
        raise away(error) from error


class PostgresSession:
    """Statements of one transaction; `?` stands for a value. Implements `Changes`.

    Args:
        connection: Where they run.
    """

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def all(self, sql: str, *values: Any) -> list[Row]:
        """Return all rows."""
        return self._run(sql, values).fetchall()

    def first(self, sql: str, *values: Any) -> Row | None:
        """Return the first row, None where there is none."""
        return self._run(sql, values).fetchone()

    def value(self, sql: str, *values: Any) -> Any:
        """Return the first column of the first row, None where there is no row."""
        row = self.first(sql, *values)
        return None if row is None else row[0]

    def all_as(self, kind: type[T], sql: str, *values: Any) -> list[T]:
        """Return all rows as Structs; see `Snapshot.all_as`.

        Raises:
            msgspec.ValidationError: If a row does not fit the Struct.
        """
        cursor = self._run(sql, values)
        names = [column.name for column in cursor.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in cursor]
        return msgspec.convert(rows, list[kind], strict=False)  # type: ignore[valid-type] # a type made at run time

    def first_as(self, kind: type[T], sql: str, *values: Any) -> T | None:
        """Return the first row as a Struct, None where there is none; see `all_as`.

        Raises:
            msgspec.ValidationError: If the row does not fit the Struct.
        """
        rows = self.all_as(kind, sql, *values)
        return rows[0] if rows else None

    def execute(self, sql: str, *values: Any) -> int:
        """Run a statement and return how many rows it changed.

        Raises:
            ConstraintError: If a constraint refuses a row.
        """
        return self._run(sql, values).rowcount

    def execute_many(self, sql: str, rows: Iterable[Row]) -> int:
        """Run a statement once for each row of values and return how many rows it changed.

        Raises:
            ConstraintError: If a constraint refuses a row.
        """
        return sum(self.execute(sql, *row) for row in rows)

    def _run(self, sql: str, values: Sequence[Any]) -> psycopg.Cursor[Row]:
        statement = postgres_statement(sql) if values else sql.encode()
        try:
            return self._connection.execute(statement, values or None)
        except psycopg.IntegrityError as error:
            msg = f"the database refused a row: {first_line(error)}"
            raise ConstraintError(msg) from error


def away(error: Exception) -> UnavailableError:
    """Return what is raised where the server does not answer."""
    if isinstance(error, UnavailableError):
        return error
    msg = f"the PostgreSQL server does not answer: {first_line(error)}"
    return UnavailableError(msg, retry_after=1.0)


def first_line(error: Exception) -> str:
    """Return what a server says first, without its hints."""
    return str(error).strip().partition("\n")[0]

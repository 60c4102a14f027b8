"""What records need of a database; SQLite and PostgreSQL each give it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol, Self, TypeVar

__all__ = ["Changes", "Records", "Rows"]

S = TypeVar("S")
T = TypeVar("T")
Row = tuple[Any, ...]


class Rows(Protocol):
    """Reads in one transaction; values follow the statement, one for each `?`."""

    def all(self, sql: str, *values: Any) -> list[Row]:
        """Return all rows."""
        ...

    def first(self, sql: str, *values: Any) -> Row | None:
        """Return the first row, None where there is none."""
        ...

    def value(self, sql: str, *values: Any) -> Any:
        """Return the first column of the first row, None where there is no row."""
        ...

    def all_as(self, kind: type[S], sql: str, *values: Any) -> list[S]:
        """Return all rows as Structs; columns go to the fields of their names."""
        ...

    def first_as(self, kind: type[S], sql: str, *values: Any) -> S | None:
        """Return the first row as a Struct, None where there is none."""
        ...


class Changes(Rows, Protocol):
    """Reads and writes in one transaction, while nobody else writes."""

    def execute(self, sql: str, *values: Any) -> int:
        """Run a statement and return how many rows it changed.

        Raises:
            ConstraintError: If a constraint refuses a row.
        """
        ...

    def execute_many(self, sql: str, rows: Iterable[Row]) -> int:
        """Run a statement once for each row of values and return how many rows it changed.

        Raises:
            ConstraintError: If a constraint refuses a row.
        """
        ...


class Records(Protocol):
    """Runs pieces of work in transactions, many of them together where many wait.

    All work is retried until it is committed once, or refused with `UnavailableError`. What a
    piece of work raises undoes its changes and reaches who asked for it.
    """

    def write(self, work: Callable[[Changes], T]) -> T:
        """Run `work` alone among the writers of all processes, commit, and return its result."""
        ...

    async def awrite(self, work: Callable[[Changes], T]) -> T:
        """Do what `write` does, from a task."""
        ...

    def read(self, work: Callable[[Rows], T]) -> T:
        """Run `work` on one state of the database and return its result."""
        ...

    async def aread(self, work: Callable[[Rows], T]) -> T:
        """Do what `read` does, from a task."""
        ...

    def waiting(self) -> int:
        """Return how many pieces of work wait to be written."""
        ...

    def close(self) -> None:
        """Finish what waits and close."""
        ...

    async def aclose(self) -> None:
        """Do what `close` does, from a task."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exception: object) -> None: ...

"""The tables of a database, and how older ones become newer ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from pegboard.errors import ConfigError
from pegboard_database._contract import Changes
from pegboard_database._statement import Snapshot, Transaction

__all__ = ["Schema"]

Step = str | Callable[[Changes], None]

TABLE = """
create table if not exists pegboard_schema (
    name text primary key, version integer not null, changed_at text not null
) strict, without rowid
"""
STAMP = """
insert into pegboard_schema values (?, ?, ?)
on conflict do update set version = excluded.version, changed_at = excluded.changed_at
"""


class Schema:
    """The steps that make the tables, each run once, in order, all in one transaction.

    A step that was released never changes: what is new is one step more.

    Args:
        name: Whose tables these are; several schemas may share a file.
        steps: Scripts of SQL, or functions of a `Transaction`; none may begin or commit. Scripts
            are written for SQLite; a PostgreSQL server gets them with its own names of types.
    """

    def __init__(self, name: str, steps: Sequence[Step]) -> None:
        self.name = name
        self.steps = tuple(steps)

    def is_current(self, snapshot: Snapshot) -> bool:
        """Whether the file has seen all steps, and no others."""
        return self._version(snapshot) == len(self.steps)

    def migrate(self, transaction: Transaction) -> None:
        """Run the steps that the file has not seen; of several processes one does it.

        Raises:
            ConfigError: If the file was written by a newer version of the code.
            PegboardError: If a step fails; the file stays as it was.
        """
        version = self._version(transaction)
        self.check(version, f"in database {transaction.name}")
        for step in self.steps[version:]:
            if isinstance(step, str):
                transaction.execute(step)
            else:
                step(transaction)
        transaction.execute(TABLE)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        transaction.execute(STAMP, self.name, len(self.steps), now)

    def check(self, version: int, where: str) -> None:
        """Refuse tables that newer code has made.

        Raises:
            ConfigError: If there are more steps in them than this code knows.
        """
        if version > len(self.steps):
            msg = (
                f"the tables of {self.name!r} {where} have version {version}, this code knows "
                f"{len(self.steps)}: upgrade the package that uses them"
            )
            raise ConfigError(msg)

    def _version(self, snapshot: Snapshot) -> int:
        if snapshot.value("select 1 from sqlite_schema where name = 'pegboard_schema'") is None:
            return 0
        found = snapshot.value("select version from pegboard_schema where name = ?", self.name)
        return int(found or 0)

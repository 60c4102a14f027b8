"""The tables on a PostgreSQL server, made by the same steps as in SQLite."""

from __future__ import annotations

from collections.abc import Sequence

from pegboard.errors import PegboardError
from pegboard_database._dialect import postgres_script
from pegboard_database._postgres_session import (
    Connection,
    LostConnectionError,
    PostgresSession,
    ServerError,
    away,
    first_line,
)
from pegboard_database._schema import Schema

__all__ = ["migrate"]

SCHEMA_LOCK = 0x70656762_00000000  # advisory lock of whoever changes tables

TABLES = """
create table if not exists pegboard_schema (name text primary key, version bigint not null);
create table if not exists pegboard_writer (
    uuid text primary key, batch bigint not null, time timestamptz not null default now()
);
delete from pegboard_writer where time < now() - interval '7 days'
"""
STAMP = """
insert into pegboard_schema values (?, ?)
on conflict (name) do update set version = excluded.version
"""


def migrate(connection: Connection, schemas: Sequence[Schema]) -> None:
    """Run the steps that the database has not seen; of several processes one does it.

    Raises:
        ConfigError: If the database was written by a newer version of the code.
        PegboardError: If a step fails; the database stays as it was.
        UnavailableError: If the server went away.
    """
    session = PostgresSession(connection)
    try:
        session.execute("select pg_advisory_xact_lock(?)", SCHEMA_LOCK)
        session.execute(TABLES)
        for schema in schemas:
            _migrate(session, schema)
        connection.commit()
    except LostConnectionError as error:
        raise away(error) from error
    except ServerError as error:
        msg = f"the tables of the database could not be made: {first_line(error)}"
        raise PegboardError(msg) from error


def _migrate(session: PostgresSession, schema: Schema) -> None:
    query = "select version from pegboard_schema where name = ?"
    version = int(session.value(query, schema.name) or 0)
    schema.check(version, "on the PostgreSQL server")
    for step in schema.steps[version:]:
        if isinstance(step, str):
            session.execute(postgres_script(step))
        else:
            step(session)
    session.execute(STAMP, schema.name, len(schema.steps))

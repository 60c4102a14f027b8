"""Opens records where the settings say: in a file, or on a server."""

from __future__ import annotations

from pathlib import Path

from pegboard.errors import ConfigError
from pegboard_database._contract import Records
from pegboard_database._database import Database
from pegboard_database._schema import Schema

__all__ = ["open_records"]

SCHEMES = ("postgresql://", "postgres://")


def open_records(path: Path, url: str, *schemas: Schema) -> Records:
    """Open records, and make the tables that are missing; blocks.

    Args:
        path: A SQLite file.
        url: URL of a PostgreSQL database in place of it; empty for the file.
        schemas: The tables.

    Raises:
        ConfigError: If the URL is none of PostgreSQL, the driver is not installed, or the tables
            were made by newer code.
        PegboardError: If they cannot be opened.
    """
    if not url:
        return Database(path, *schemas)
    if not url.startswith(SCHEMES):
        msg = f"the URL of a database begins with {SCHEMES[0]}, not with {url.partition(':')[0]}:"
        raise ConfigError(msg)
    try:
        from pegboard_database.postgres import PostgresDatabase
    except ModuleNotFoundError as error:
        msg = "PostgreSQL needs its driver: pip install 'pegboard-database[postgres]'"
        raise ConfigError(msg) from error
    return PostgresDatabase(url, *schemas)

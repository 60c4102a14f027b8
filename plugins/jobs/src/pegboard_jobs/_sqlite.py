"""The tables in a SQLite file."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from pegboard_database import Database, Schema, Transaction
from pegboard_jobs._schema import STEPS

__all__ = ["open_sqlite"]


def open_sqlite(path: Path) -> Database:
    """Open the file, and make the tables that are missing; blocks.

    Raises:
        ConfigError: If the file was written by a newer version.
        PegboardError: If it cannot be made or opened.
    """
    return Database(path, Schema("jobs", [partial(_make, step) for step in STEPS]))


def _make(step: tuple[str, ...], transaction: Transaction) -> None:
    for statement in step:
        transaction.execute(statement)

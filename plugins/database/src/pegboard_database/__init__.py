"""SQLite, or PostgreSQL, for plugins that keep records."""

from pegboard_database._contract import Changes, Records, Rows
from pegboard_database._database import Database, Statistics
from pegboard_database._error import (
    BusyError,
    ClosedError,
    ConstraintError,
    CorruptError,
    FullError,
    StatementError,
)
from pegboard_database._opening import open_records
from pegboard_database._schema import Schema
from pegboard_database._sqlite import Durability
from pegboard_database._statement import Snapshot, Transaction

__all__ = [
    "BusyError",
    "Changes",
    "ClosedError",
    "ConstraintError",
    "CorruptError",
    "Database",
    "Durability",
    "FullError",
    "Records",
    "Rows",
    "Schema",
    "Snapshot",
    "StatementError",
    "Statistics",
    "Transaction",
    "open_records",
]
